import { every, periodicWorker } from '@background-workers/abstractions'
import { ManualClock } from '@background-workers/abstractions/testing'
import { pino } from 'pino'
import { describe, expect, it } from 'vitest'
import { DefaultBackgroundWorkerManager } from '../src/default-background-worker-manager.ts'

function createPino(level: string) {
  const lines: Record<string, unknown>[] = []
  const stream = { write: (line: string) => void lines.push(JSON.parse(line)) }
  return { lines, logger: pino({ level, base: null, timestamp: false }, stream) }
}

describe('a pino logger', () => {
  it('is accepted as it is: its lines carry the data, and the error as pino writes it', async () => {
    const clock = new ManualClock()
    const { lines, logger } = createPino('debug')
    const manager = new DefaultBackgroundWorkerManager({ clock, logger })
    await manager.add(
      periodicWorker({
        name: 'digest',
        schedule: every('1m', { offset: 0 }),
        doWork(context) {
          context.logger.info({ mails: 3 }, 'sending')
          if (clock.now() > Date.UTC(2026, 0, 1, 0, 1)) throw new TypeError('no server')
        },
      }),
    )
    await manager.start()
    await clock.advance(120_000)
    await manager.stop()
    const runId = `digest.${Date.UTC(2026, 0, 1, 0, 1)}`
    const scheduledFor = '2026-01-01T00:01:00.000Z'
    expect(lines[0]).toMatchObject({ level: 30, workers: 1, msg: 'background workers started' })
    expect(lines.find(({ msg }) => msg === 'sending')).toEqual({
      level: 30,
      worker: 'digest',
      runId,
      scheduledFor,
      mails: 3,
      msg: 'sending',
    })
    expect(lines.find(({ msg }) => msg === 'run succeeded')).toMatchObject({ level: 20, worker: 'digest', runId })
    expect(lines.find(({ msg }) => msg === 'run failed')).toMatchObject({
      level: 50,
      worker: 'digest',
      runId: `digest.${Date.UTC(2026, 0, 1, 0, 2)}`,
      durationMs: 0,
      err: { type: 'TypeError', message: 'no server', stack: expect.stringContaining('pino.test.ts') },
    })
    expect(lines.at(-1)).toMatchObject({ level: 30, finished: 0, msg: 'background workers stopped' })
  })

  it('decides the level itself', async () => {
    const clock = new ManualClock()
    const { lines, logger } = createPino('error')
    const manager = new DefaultBackgroundWorkerManager({ clock, logger })
    await manager.add(
      periodicWorker({
        name: 'digest',
        schedule: every('1m', { offset: 0 }),
        doWork: () => Promise.reject(undefined),
      }),
    )
    await manager.start()
    await clock.advance(60_000)
    await manager.stop()
    expect(lines.map(({ msg }) => msg)).toEqual(['run failed'])
  })
})
