import { createContainer, asValue } from 'awilix'
import { describe, expect, it } from 'vitest'
import { BackgroundWorkerBase } from '../background-worker.ts'
import { InvalidOptionsError, InvalidScheduleError, NotPeriodicError } from '../errors.ts'
import {
  AsyncPeriodicBackgroundWorkerBase,
  type PeriodicBackgroundWorkerContext,
  type PeriodicWorkerParts,
  periodicWorker,
} from '../periodic-worker.ts'
import { cron, every } from '../schedule.ts'
import { ManualClock } from './manual-clock.ts'
import { RecordingLogger } from './recording-logger.ts'
import { runOnce } from './run-once.ts'

const worker = (doWork: PeriodicWorkerParts['doWork'], rest: Partial<PeriodicWorkerParts> = {}) =>
  periodicWorker({ name: 'digest', schedule: every('1h'), ...rest, doWork })

describe('runOnce', () => {
  it('runs a worker and gives the record', async () => {
    const clock = new ManualClock()
    let calls = 0
    const record = await runOnce(
      worker(() => void calls++),
      { clock },
    )
    expect(calls).toBe(1)
    expect(record).toMatchObject({
      runId: `digest.${clock.now()}`,
      worker: 'digest',
      kind: 'scheduled',
      outcome: 'succeeded',
      scheduledFor: new Date(clock.now()),
      lateByMs: 0,
    })
    expect(clock.timerCount).toBe(0)
  })

  it('runs with the system clock too, and leaves no timer', async () => {
    const record = await runOnce(worker(() => {}, { policy: { timeoutMs: 60_000 } }))
    expect(record.outcome.toUpperCase()).toBe('SUCCEEDED')
    expect(record.finishedAt.getTime()).toBeGreaterThan(0)
  })

  it('puts a failure into the record', async () => {
    const record = await runOnce(worker(() => Promise.reject(new Error('boom'))))
    expect(record).toMatchObject({ outcome: 'failed', error: { message: 'boom' } })
  })

  it('gives doWork the context that the options describe', async () => {
    let seen: PeriodicBackgroundWorkerContext | undefined
    const logger = new RecordingLogger()
    const clock = new ManualClock()
    const scheduledFor = new Date(clock.now() - 5_000)
    const lastSucceededAt = new Date(0)
    const record = await runOnce(
      worker((context) => {
        seen = context
        context.logger.info({}, 'hello')
      }),
      { clock, logger, kind: 'catch-up', scheduledFor, missedSlots: 4, lastSucceededAt },
    )
    expect(seen).toMatchObject({ kind: 'catch-up', scheduledFor, missedSlots: 4, lastSucceededAt })
    expect(record).toMatchObject({ lateByMs: 5_000, missedSlots: 4 })
    expect(logger.linesOf('hello')[0]?.data).toMatchObject({ worker: 'digest', runId: record.runId })
  })

  it('gives a worker that is a class its logger', async () => {
    class Digest extends AsyncPeriodicBackgroundWorkerBase {
      readonly name = 'digest'
      readonly schedule = cron('@daily')
      async doWork() {
        this.logger.info({}, 'from the class')
      }
    }
    const logger = new RecordingLogger()
    await runOnce(new Digest(), { logger })
    expect(logger.linesOf('from the class')[0]?.data).toEqual({ worker: 'digest' })
  })

  it('resolves services from a map, by its own names only', async () => {
    const resolved: unknown[] = []
    const record = await runOnce(
      worker(({ services }) => {
        resolved.push(services.resolve('clock'))
        services.resolve('constructor')
      }),
      { services: { clock: 42 } },
    )
    expect(resolved).toEqual([42])
    expect(record.error?.message).toBe('runOnce was given no service "constructor". Known are: clock.')
  })

  it('resolves services from an awilix container', async () => {
    const container = createContainer()
    container.register({ answer: asValue(42) })
    const resolved: unknown[] = []
    const record = await runOnce(
      worker(({ services }) => void resolved.push(services.resolve('answer'))),
      {
        services: container,
      },
    )
    expect([record.outcome, resolved]).toEqual(['succeeded', [42]])
  })

  it('repeats and times out as a manager would', async () => {
    const clock = new ManualClock()
    const policy = { retry: { attempts: 5, backoffMs: 1_000 }, timeoutMs: 2_500 }
    const running = runOnce(
      worker(() => Promise.reject(new Error('x')), { policy }),
      { clock },
    )
    await clock.advance(5_000)
    expect(await running).toMatchObject({ outcome: 'failed', reason: 'timeout', attempts: 3 })
    expect(clock.timerCount).toBe(0)
  })

  it('makes every retry, wherever the clock stands in the period', async () => {
    const clock = new ManualClock()
    const policy = { retry: { attempts: 3, backoffMs: 1_000 } }
    // The next slot comes in 1 ms.
    const running = runOnce(
      worker(() => Promise.reject(new Error('x')), { policy, schedule: every('1h', { offset: 1 }) }),
      { clock },
    )
    await clock.advance(2_000)
    expect(await running).toMatchObject({ outcome: 'failed', attempts: 3 })
    expect(clock.timerCount).toBe(0)
  })

  it.each(['before', 'during'])('is cancelled by a signal that is aborted %s the run', async (when) => {
    const controller = new AbortController()
    if (when === 'before') controller.abort()
    const running = runOnce(
      worker(
        ({ signal }) =>
          new Promise((resolve) => {
            if (signal.aborted) resolve()
            else signal.addEventListener('abort', () => resolve())
          }),
      ),
      { signal: controller.signal },
    )
    controller.abort()
    expect(await running).toMatchObject({ outcome: 'aborted', reason: 'cancelled' })
  })

  it('refuses what add would refuse', async () => {
    class Plain extends BackgroundWorkerBase {
      readonly name = 'plain'
    }
    await expect(runOnce(new Plain())).rejects.toThrow(NotPeriodicError)
    await expect(runOnce(Plain as never)).rejects.toThrow(/^runOnce: expected a worker, got a function\. It is a class/)
    await expect(runOnce(worker(() => {}, { schedule: { kind: 'every', periodMs: 0 } }))).rejects.toThrow(
      InvalidScheduleError,
    )
    await expect(
      runOnce(
        worker(() => {}),
        { service: {} } as never,
      ),
    ).rejects.toThrow(/^runOnce: unknown option "service"\. Known are: services, logger/)
    for (const options of [
      { kind: 'x' },
      { scheduledFor: 5 },
      { scheduledFor: new Date('garbage') },
      { lastSucceededAt: new Date('garbage') },
      { services: null },
      { services: 5 },
      { services: [] },
      { missedSlots: -1 },
      { signal: {} },
      { clock: {} },
      { logger: 1 },
    ]) {
      await expect(
        runOnce(
          worker(() => {}),
          options as never,
        ),
      ).rejects.toThrow(InvalidOptionsError)
    }
  })
})
