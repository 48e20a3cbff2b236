import { describe, expect, it } from 'vitest'
import { unreadable } from '../test/hostile-values.ts'
import { RunHarness } from '../test/run-harness.ts'
import { RunCancelledError } from './errors.ts'
import type { Run } from './run.ts'

/** Fails so many times, then succeeds. */
function failing(times: number) {
  const attempts: number[] = []
  const doWork = async ({ attempt }: { attempt: number }) => {
    attempts.push(attempt)
    if (attempt <= times) throw new Error(`failure ${attempt}`)
  }
  return { attempts, doWork }
}

describe('the retries of a run', () => {
  it('repeat it inside the run until it succeeds: one record', async () => {
    const harness = new RunHarness()
    const { attempts, doWork } = failing(2)
    const start = harness.clock.now()
    const run = harness.start(doWork, { policy: { retry: { attempts: 5, backoffMs: 100 } } })
    await harness.clock.advance(99)
    expect(attempts).toEqual([1])
    await harness.clock.advance(1)
    expect(attempts).toEqual([1, 2])
    await harness.clock.advance(100)
    expect(attempts).toEqual([1, 2, 3])
    expect(run.record).toMatchObject({ outcome: 'succeeded', attempts: 3, durationMs: 200 })
    expect(run.record).not.toHaveProperty('error')
    expect(harness.finished).toHaveLength(1)
    expect(harness.settled).toBe(1)
    expect(harness.retrying.map(({ failedAttempt, retryAtMs }) => [failedAttempt, retryAtMs - start])).toEqual([
      [1, 100],
      [2, 200],
    ])
    expect(harness.retrying[0]?.error).toEqual(new Error('failure 1'))
    expect(harness.logger.linesOf('attempt failed, it will be repeated').map(({ level }) => level)).toEqual([
      'warn',
      'warn',
    ])
  })

  it('end with the last error when no attempt is left', async () => {
    const harness = new RunHarness()
    const { attempts, doWork } = failing(9)
    const run = harness.start(doWork, { policy: { retry: { attempts: 3, backoffMs: 10 } } })
    await harness.clock.advance(1_000)
    expect(attempts).toEqual([1, 2, 3])
    expect(run.record).toMatchObject({ outcome: 'failed', attempts: 3, error: { message: 'failure 3' } })
    expect(harness.logger.linesOf('run failed')).toHaveLength(1)
    expect(harness.clock.timerCount).toBe(0)
  })

  it('wait longer by the factor, up to the longest backoff', async () => {
    const harness = new RunHarness()
    const times: number[] = []
    const retry = { attempts: 5, backoffMs: 100, factor: 3, maxBackoffMs: 500 }
    const start = harness.clock.now()
    harness.start(
      async () => {
        times.push(harness.clock.now() - start)
        throw new Error('x')
      },
      { policy: { retry } },
    )
    await harness.clock.advance(10_000)
    expect(times).toEqual([0, 100, 400, 900, 1_400])
  })

  it('start no attempt at or after the next slot', async () => {
    const harness = new RunHarness()
    const { attempts, doWork } = failing(9)
    const nextDueAtMs = harness.clock.now() + 250
    const run = harness.start(doWork, { policy: { retry: { attempts: 9, backoffMs: 125 } }, plan: { nextDueAtMs } })
    await harness.clock.advance(1_000)
    expect(attempts).toEqual([1, 2])
    expect(run.record).toMatchObject({ outcome: 'failed', durationMs: 125 })
  })

  it('start none either when the machine slept over the next slot meanwhile', async () => {
    const harness = new RunHarness()
    const { attempts, doWork } = failing(9)
    const nextDueAtMs = harness.clock.now() + 10_000
    const run = harness.start(doWork, { policy: { retry: { attempts: 9, backoffMs: 1_000 } }, plan: { nextDueAtMs } })
    await harness.clock.settle()
    harness.clock.sleep(3_600_000)
    await harness.clock.advance(5_000)
    expect(attempts).toEqual([1])
    expect(run.record).toMatchObject({ outcome: 'failed', attempts: 1, error: { message: 'failure 1' } })
    expect(harness.settled).toBe(1)
    expect(harness.clock.timerCount).toBe(0)
  })

  it('start within a minute of waking when the machine slept over their time', async () => {
    const harness = new RunHarness()
    const { attempts, doWork } = failing(1)
    const run = harness.start(doWork, { policy: { retry: { attempts: 2, backoffMs: 600_000 } } })
    await harness.clock.settle()
    harness.clock.sleep(3_600_000)
    await harness.clock.advance(60_000)
    expect(attempts).toEqual([1, 2])
    expect(run.record.outcome).toBe('succeeded')
    expect(harness.clock.timerCount).toBe(0)
  })

  it('wait for what a sleep leaves of their time', async () => {
    const harness = new RunHarness()
    const { attempts, doWork } = failing(1)
    harness.start(doWork, { policy: { retry: { attempts: 2, backoffMs: 600_000 } } })
    await harness.clock.advance(60_000)
    harness.clock.sleep(240_000)
    await harness.clock.advance(299_999)
    expect(attempts).toEqual([1])
    await harness.clock.advance(1)
    expect(attempts).toEqual([1, 2])
  })

  it('wait no longer when the clock is set back', async () => {
    const harness = new RunHarness()
    const { attempts, doWork } = failing(1)
    harness.start(doWork, { policy: { retry: { attempts: 2, backoffMs: 600_000 } } })
    await harness.clock.settle()
    harness.clock.step(-86_400_000)
    await harness.clock.advance(599_999)
    expect(attempts).toEqual([1])
    await harness.clock.advance(1)
    expect(attempts).toEqual([1, 2])
  })

  it('are over as soon as somebody looks who knows that the next slot has come, and leave the worker free for it', async () => {
    const harness = new RunHarness()
    const { attempts, doWork } = failing(9)
    const nextDueAtMs = harness.clock.now() + 3_600_000
    const run = harness.start(doWork, { policy: { retry: { attempts: 9, backoffMs: 600_000 } }, plan: { nextDueAtMs } })
    await harness.clock.settle()
    run.look()
    harness.clock.sleep(3_599_999)
    run.look()
    expect(run.isFinished).toBe(false)
    harness.clock.sleep(1)
    run.look()
    expect([run.isSettled, harness.settled]).toEqual([true, 1])
    expect(run.record).toMatchObject({ outcome: 'failed', attempts: 1, error: { message: 'failure 1' } })
    await harness.clock.advance(3_600_000)
    expect([attempts, harness.settled, harness.clock.timerCount]).toEqual([[1], 1, 0])
  })

  it('are not looked for while an attempt is at work, which goes on over the next slot', async () => {
    const harness = new RunHarness()
    const { promise, resolve } = Promise.withResolvers<void>()
    const nextDueAtMs = harness.clock.now() + 1_000
    const run = harness.start(() => promise, {
      policy: { retry: { attempts: 9, backoffMs: 10 } },
      plan: { nextDueAtMs },
    })
    await harness.clock.advance(1_000)
    run.look()
    expect(run.isFinished).toBe(false)
    resolve()
    await run.drained
    expect(run.record.outcome).toBe('succeeded')
  })

  it('are ended by an abort while the run waits: it settles at once', async () => {
    const harness = new RunHarness()
    const { attempts, doWork } = failing(9)
    const run = harness.start(doWork, { policy: { retry: { attempts: 9, backoffMs: 60_000 } } })
    await harness.clock.advance(1_000)
    expect(run.abort(new RunCancelledError('w', 'w.1', 'ann'))).toBe(true)
    await run.drained
    expect(run.record).toMatchObject({ outcome: 'aborted', reason: 'cancelled', by: 'ann', attempts: 1 })
    expect(harness.clock.timerCount).toBe(0)
    await harness.clock.advance(120_000)
    expect(attempts).toEqual([1])
    expect(harness.stuck).toBe(0)
  })

  it.each([
    ['an abort', (run: Run) => run.abort(new RunCancelledError('w', 'w.1')), 'aborted'],
    ['the end of retries', (run: Run) => run.endRetries(), 'failed'],
  ] as const)('are not waited for when whoever is told of one answers with %s', async (_title, answer, outcome) => {
    const harness = new RunHarness()
    harness.whenRetrying = answer
    const { attempts, doWork } = failing(9)
    const run = harness.start(doWork, { policy: { retry: { attempts: 9, backoffMs: 60_000 } } })
    await harness.clock.settle()
    expect(run.isSettled).toBe(true)
    expect(run.record).toMatchObject({ outcome, attempts: 1 })
    expect(attempts).toEqual([1])
    expect(harness.clock.timerCount).toBe(0)
  })

  it('are not begun after an abort during an attempt', async () => {
    const harness = new RunHarness()
    const run = harness.start(
      ({ signal }) => new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('x')))),
      { policy: { retry: { attempts: 9, backoffMs: 10 } } },
    )
    run.abort(new RunCancelledError('w', 'w.1'))
    await harness.clock.advance(1_000)
    expect(run.isSettled).toBe(true)
    expect(run.record).toMatchObject({ outcome: 'aborted', attempts: 1 })
    expect(harness.retrying).toEqual([])
  })

  it('end at once, with the last error, when endRetries finds the run waiting', async () => {
    const harness = new RunHarness()
    const { doWork } = failing(9)
    const run = harness.start(doWork, { policy: { retry: { attempts: 9, backoffMs: 60_000 } } })
    await harness.clock.settle()
    run.endRetries()
    await run.drained
    expect(run.record).toMatchObject({ outcome: 'failed', error: { message: 'failure 1' } })
    expect(run.record).not.toHaveProperty('reason')
    expect(harness.clock.timerCount).toBe(0)
  })

  it('are none after endRetries found an attempt active; that one goes on', async () => {
    const harness = new RunHarness()
    const { promise, reject } = Promise.withResolvers<void>()
    const run = harness.start(() => promise, { policy: { retry: { attempts: 9, backoffMs: 10 } } })
    run.endRetries()
    expect(run.isFinished).toBe(false)
    reject(new Error('late'))
    await run.drained
    expect(run.record).toMatchObject({ outcome: 'failed', attempts: 1, error: { message: 'late' } })
  })

  it('survive what can not be read', async () => {
    const harness = new RunHarness()
    const run = harness.start(() => Promise.reject(unreadable()), { policy: { retry: { attempts: 2, backoffMs: 10 } } })
    await harness.clock.advance(100)
    expect(run.record).toMatchObject({ outcome: 'failed', attempts: 2 })
  })
})
