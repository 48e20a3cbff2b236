import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ManualClock, RecordingLogger, runOnce, waitForRun } from '@background-workers/abstractions/testing'
import { DefaultBackgroundWorkerManager } from '@background-workers/default-manager'
import { PassiveUserCheckerWorker } from '../src/passive-user-checker-worker.ts'
import { FakeUserRepository } from './fake-user-repository.ts'

// `node --test test/with-node-test.ts`: what is in `testing` needs no test framework.

// oxlint-disable typescript/no-floating-promises -- node:test waits for its tests by itself

describe('the passive user checker', () => {
  it('makes passive who has not logged in for 30 days', async () => {
    const userRepository = new FakeUserRepository({ Ada: '2026-02-28', Alan: '2026-01-15' })
    const logger = new RecordingLogger()
    const scheduledFor = new Date('2026-03-01T12:00:00Z')
    const options = { services: { userRepository }, scheduledFor, logger }
    const record = await runOnce(new PassiveUserCheckerWorker(), options)
    assert.equal(record.outcome, 'succeeded')
    assert.deepEqual(userRepository.passive, ['Alan'])
    assert.deepEqual(logger.linesOf('inactive users made passive')[0]?.data.madePassive, ['Alan'])
  })

  it('runs on its schedule', async () => {
    const clock = new ManualClock()
    const userRepository = new FakeUserRepository()
    const scopeFactory = { createScope: () => ({ resolve: () => userRepository, dispose() {} }) }
    await using manager = new DefaultBackgroundWorkerManager({ clock, scopeFactory })
    await manager.add(new PassiveUserCheckerWorker())
    await manager.start()
    await clock.advance(600_000)
    const { kind, outcome } = await waitForRun(manager, 'passive-user-checker')
    assert.deepEqual({ kind, outcome }, { kind: 'scheduled', outcome: 'succeeded' })
  })
})
