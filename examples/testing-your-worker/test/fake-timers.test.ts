import { RecordingLogger, waitForRun } from '@background-workers/abstractions/testing'
import { DefaultBackgroundWorkerManager } from '@background-workers/default-manager'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { PassiveUserCheckerWorker } from '../src/passive-user-checker-worker.ts'
import { FakeUserRepository } from './fake-user-repository.ts'

// The fake timers of a test framework work too, here those of vitest: the default manager looks timers up at each call.
// Take them where the application uses timers and dates of its own that are to move along.

beforeEach(() => {
  vi.useFakeTimers({ now: new Date('2026-03-01T12:00:00Z') })
})

afterEach(() => {
  vi.useRealTimers()
})

it('runs in ten minutes, which pass at once', async () => {
  const userRepository = new FakeUserRepository({ Ada: '2026-02-28', Alan: '2026-01-15' })
  const logger = new RecordingLogger()
  const scopeFactory = { createScope: () => ({ resolve: () => userRepository, dispose() {} }) }
  await using manager = new DefaultBackgroundWorkerManager({ logger, scopeFactory })
  await manager.add(new PassiveUserCheckerWorker())
  await manager.start()
  expect(await manager.runs('passive-user-checker')).toEqual([])

  await vi.advanceTimersByTimeAsync(600_000)

  expect(await waitForRun(manager, 'passive-user-checker')).toMatchObject({ kind: 'scheduled', outcome: 'succeeded' })
  expect(userRepository.passive).toEqual(['Alan'])
  expect(logger.linesOf('inactive users made passive')).toHaveLength(1)
})
