import { AsyncLocalStorage } from 'node:async_hooks'
import { describe, expect, it } from 'vitest'
import { promiseWith, thenable, unreadable } from '../test/hostile-values.ts'
import { RunHarness } from '../test/run-harness.ts'
import { ManagerStoppedError, LeaseLostError, RunCancelledError, RunTimeoutError } from './errors.ts'
import type { PeriodicBackgroundWorkerContext } from './periodic-worker.ts'
import { Run, type RunAbort } from './run.ts'

describe('Run', () => {
  it('calls doWork before start returns, and succeeds when it resolves', async () => {
    const harness = new RunHarness()
    const { promise, resolve } = Promise.withResolvers<void>()
    let calls = 0
    const run = harness.start(() => {
      calls++
      return promise
    })
    expect(calls).toBe(1)
    expect(run.isFinished).toBe(false)
    expect(run.record).toMatchObject({ runId: 'w.1', worker: 'w', kind: 'scheduled', attempts: 1, instanceId: 'i' })
    expect(run.record).not.toHaveProperty('outcome')
    await harness.clock.advance(1_500)
    resolve()
    await run.drained
    expect(run.isSettled).toBe(true)
    expect(harness.settled).toBe(1)
    expect(harness.finished).toEqual([run.record])
    expect(run.record).toMatchObject({ outcome: 'succeeded', durationMs: 1_500, attempts: 1, lateByMs: 0 })
    expect(run.record.finishedAt).toEqual(new Date(harness.clock.now()))
    expect(run.record).not.toHaveProperty('error')
    expect(run.record).not.toHaveProperty('missedSlots')
    expect(harness.logger.linesOf('run succeeded')).toHaveLength(1)
    expect(harness.clock.timerCount).toBe(0)
  })

  it('gives doWork what it needs to know', async () => {
    const harness = new RunHarness()
    const slotMs = harness.clock.now() - 5_000
    let seen: PeriodicBackgroundWorkerContext | undefined
    const plan = {
      kind: 'catch-up',
      scheduledForMs: slotMs,
      lateByMs: 5_000,
      missedSlots: 3,
      lastSucceededAtMs: 1,
    } as const
    await harness.start(
      async (context) => {
        seen = context
        context.logger.info({ a: 1 }, 'hello')
      },
      { plan },
    ).drained
    expect(seen).toMatchObject({
      workerName: 'w',
      runId: 'w.1',
      kind: 'catch-up',
      scheduledFor: new Date(slotMs),
      startedAt: new Date(slotMs + 5_000),
      attempt: 1,
      missedSlots: 3,
      lastSucceededAt: new Date(1),
    })
    expect(harness.finished[0]).toMatchObject({ missedSlots: 3, lateByMs: 5_000 })
    expect(harness.logger.linesOf('hello')[0]?.data).toEqual({
      worker: 'w',
      runId: 'w.1',
      scheduledFor: new Date(slotMs),
      a: 1,
    })
  })

  const boom = new RangeError('boom')
  it.each([
    [
      'throws synchronously',
      () => {
        throw boom
      },
    ],
    [
      'rejects',
      async () => {
        throw boom
      },
    ],
    ['returns a thenable that rejects', () => thenable((_resolve, reject) => reject(boom))],
    [
      'returns a thenable that throws',
      () =>
        thenable(() => {
          throw boom
        }),
    ],
  ])('fails, and logs it once, when doWork %s', async (_how, doWork) => {
    const harness = new RunHarness()
    const run = harness.start(doWork)
    await run.drained
    expect(run.record).toMatchObject({ outcome: 'failed', error: { name: 'RangeError', message: 'boom' } })
    expect(run.record).not.toHaveProperty('reason')
    expect(harness.logger.lines).toHaveLength(1)
    expect(harness.logger.linesOf('run failed')[0]).toMatchObject({
      level: 'error',
      data: { err: boom, worker: 'w', runId: 'w.1', scheduledFor: run.record.scheduledFor, durationMs: 0 },
    })
  })

  it.each<[string, unknown]>([
    ['undefined', undefined],
    ['a frozen object', Object.freeze({ code: 1 })],
    ['a proxy that throws', unreadable()],
  ])('fails when doWork throws %s', async (_what, thrown) => {
    const harness = new RunHarness()
    const run = harness.start(() => {
      throw thrown
    })
    await run.drained
    expect(run.record.outcome).toBe('failed')
    expect(run.record.error?.name).toBe('NonError')
    expect(harness.settled).toBe(1)
  })

  it('does not take an error of the worker for an abort', async () => {
    const harness = new RunHarness()
    const run = harness.start(async () => {
      throw new RunCancelledError('other', 'other.1', 'somebody')
    })
    await run.drained
    expect(run.record).toMatchObject({ outcome: 'failed', error: { code: 'run-cancelled' } })
    expect(run.record).not.toHaveProperty('by')
  })

  describe('abort', () => {
    it.each<[string, RunAbort, object]>([
      ['a cancel', new RunCancelledError('w', 'w.1', 'ann'), { outcome: 'aborted', reason: 'cancelled', by: 'ann' }],
      ['a stop', new ManagerStoppedError('stop'), { outcome: 'aborted', reason: 'stop' }],
      ['a lost lease', new LeaseLostError('w', 'w.1'), { outcome: 'aborted', reason: 'lease-lost' }],
      ['a timeout', new RunTimeoutError('w', 'w.1', 5), { outcome: 'failed', reason: 'timeout' }],
    ])('fixes the outcome of %s at once, whatever doWork does afterwards', async (_what, reason, expected) => {
      for (const end of ['resolve', 'reject'] as const) {
        const harness = new RunHarness()
        const work = Promise.withResolvers<void>()
        let signal: AbortSignal | undefined
        const run = harness.start((context) => {
          signal = context.signal
          return work.promise
        })
        expect(run.abort(reason)).toBe(true)
        expect(signal?.reason).toBe(reason)
        expect(run.record).toMatchObject({ ...expected, error: { code: reason.code } })
        expect([harness.finished.length, harness.settled]).toEqual([1, 0])
        const recorded = run.record
        if (end === 'resolve') work.resolve()
        else work.reject(new Error('late'))
        await run.drained
        expect(run.record).toBe(recorded)
        expect([harness.finished.length, harness.settled]).toEqual([1, 1])
        expect(harness.logger.lines).toHaveLength(1)
        expect(harness.clock.timerCount).toBe(0)
      }
    })

    it('aborts a signal that doWork looks at later', async () => {
      const harness = new RunHarness()
      const gate = Promise.withResolvers<void>()
      const reason = new RunCancelledError('w', 'w.1')
      let seen: unknown
      const run = harness.start(async (context) => {
        await gate.promise
        seen = context.signal.reason
      })
      run.abort(reason)
      gate.resolve()
      await run.drained
      expect(seen).toBe(reason)
      expect(run.record).not.toHaveProperty('by')
    })

    it('before the start keeps doWork from being called', () => {
      const harness = new RunHarness()
      let calls = 0
      const run = harness.createRun(() => calls++)
      run.abort(new RunCancelledError('w', 'w.1'))
      run.start()
      expect([calls, run.isSettled, harness.settled]).toEqual([0, true, 1])
      expect(harness.finished).toMatchObject([{ outcome: 'aborted', reason: 'cancelled', attempts: 0 }])
      expect(harness.clock.timerCount).toBe(0)
    })

    it('does nothing to a run that has its outcome', async () => {
      const harness = new RunHarness()
      const run = harness.start(async () => {})
      await run.drained
      expect(run.abort(new RunCancelledError('w', 'w.1'))).toBe(false)
      expect(run.record.outcome).toBe('succeeded')
      expect(harness.clock.timerCount).toBe(0)
    })

    it('counts a run as stuck when it has not settled 30 s later', async () => {
      const harness = new RunHarness()
      const work = Promise.withResolvers<void>()
      const run = harness.start(() => work.promise)
      run.abort(new RunCancelledError('w', 'w.1'))
      await harness.clock.advance(29_999)
      expect(harness.stuck).toBe(0)
      await harness.clock.advance(1)
      expect(harness.stuck).toBe(1)
      work.resolve()
      await run.drained
      await harness.clock.advance(60_000)
      expect(harness.stuck).toBe(1)
    })

    it('never counts one as stuck that settles in time, or that was abandoned', async () => {
      const harness = new RunHarness()
      const work = Promise.withResolvers<void>()
      const heeding = harness.start(() => work.promise)
      heeding.abort(new RunCancelledError('w', 'w.1'))
      work.resolve()
      const abandoned = harness.start(() => new Promise(() => {}))
      abandoned.abort(new ManagerStoppedError('stop'))
      abandoned.abandon()
      expect(harness.clock.timerCount).toBe(1)
      await harness.clock.advance(60_000)
      expect(harness.stuck).toBe(0)
    })

    it.each([
      ['30 s after its abort', 10_000, 20_000],
      ['at once when they have passed', 60_000, 1],
    ])('counts one that was abandoned as stuck when it is watched again: %s', async (_title, awayMs, untilStuckMs) => {
      const harness = new RunHarness()
      const run = harness.start(() => new Promise(() => {}))
      await harness.clock.advance(5_000)
      run.abort(new ManagerStoppedError('stop'))
      run.abandon()
      await harness.clock.advance(awayMs)
      run.watchAgain()
      await harness.clock.advance(untilStuckMs - 1)
      expect(harness.stuck).toBe(0)
      await harness.clock.advance(1)
      expect([harness.stuck, harness.clock.timerCount]).toEqual([1, 0])
    })

    it('watches nothing again that was not aborted, or has settled', async () => {
      const harness = new RunHarness()
      const work = Promise.withResolvers<void>()
      const run = harness.start(() => work.promise)
      run.watchAgain()
      expect(harness.clock.timerCount).toBe(0)
      run.abort(new ManagerStoppedError('stop'))
      run.watchAgain()
      expect(harness.clock.timerCount).toBe(1)
      work.resolve()
      await run.drained
      run.watchAgain()
      expect(harness.clock.timerCount).toBe(0)
    })
  })

  describe('timeoutMs', () => {
    it('aborts the run and fails it', async () => {
      const harness = new RunHarness()
      let signal: AbortSignal | undefined
      const run = harness.start(
        (context) => {
          signal = context.signal
          return new Promise((_resolve, reject) =>
            context.signal.addEventListener('abort', () => reject(new Error('x'))),
          )
        },
        { policy: { timeoutMs: 5_000 } },
      )
      await harness.clock.advance(4_999)
      expect(run.isFinished).toBe(false)
      await harness.clock.advance(1)
      expect(run.record).toMatchObject({
        outcome: 'failed',
        reason: 'timeout',
        durationMs: 5_000,
        error: { code: 'run-timeout' },
      })
      expect(run.record.error?.message).toBe(
        'Run "w.1" of worker "w" took longer than its timeoutMs of 5000. Heed the context\'s signal, do less in a run, or raise timeoutMs.',
      )
      expect(signal?.reason).toBeInstanceOf(RunTimeoutError)
      expect(harness.settled).toBe(1)
      expect(harness.clock.timerCount).toBe(0)
    })

    it('counts the retries in', async () => {
      const harness = new RunHarness()
      const policy = { timeoutMs: 2_500, retry: { attempts: 9, backoffMs: 1_000 } }
      const run = harness.start(async () => Promise.reject(new Error('x')), { policy })
      await harness.clock.advance(2_499)
      expect(run.record).toMatchObject({ attempts: 3 })
      await harness.clock.advance(1)
      expect(run.record).toMatchObject({ outcome: 'failed', reason: 'timeout', attempts: 3 })
      expect(run.isSettled).toBe(true)
      expect(harness.clock.timerCount).toBe(0)
    })

    it('may be longer than one timer can hold', async () => {
      const harness = new RunHarness()
      const run = harness.start(() => new Promise(() => {}), { policy: { timeoutMs: 40 * 86_400_000 } })
      await harness.clock.advance(39 * 86_400_000)
      expect(run.isFinished).toBe(false)
      await harness.clock.advance(86_400_000)
      expect(run.record.reason).toBe('timeout')
      run.abandon()
    })
  })

  it('knows which run calls, in what it awaits too, and in no other', async () => {
    const harness = new RunHarness()
    const seen: (Run | undefined)[] = []
    const look = async () => {
      seen.push(Run.current())
      await harness.clock.settle()
      seen.push(Run.current())
    }
    const [one, two] = [harness.start(look), harness.start(look)]
    await Promise.all([one.drained, two.drained])
    expect(seen).toEqual([one, two, one, two])
    expect(Run.current()).toBeUndefined()
  })

  it.each<[string, (resolve: () => void) => void]>([
    [
      'calls back twice',
      (resolve) => {
        resolve()
        resolve()
      },
    ],
    ['never calls back', () => {}],
    [
      'throws',
      () => {
        throw new Error('trap')
      },
    ],
  ])('settles once when doWork gives a promise whose own then %s', async (_what, then) => {
    const harness = new RunHarness()
    const run = harness.start(() => promiseWith(then))
    await run.drained
    await harness.clock.settle()
    expect([harness.settled, run.record.outcome]).toEqual([1, 'succeeded'])
  })

  it('has nothing of the context of its start, and leaves that as it was', async () => {
    const request = new AsyncLocalStorage<string>()
    const harness = new RunHarness()
    const seen: unknown[] = []
    const enter = async () => {
      seen.push(request.getStore())
      request.enterWith('a run')
      await harness.clock.settle()
      seen.push(request.getStore())
    }
    const runs = request.run('a request', () => {
      const started = [harness.start(enter), harness.start(enter)]
      seen.push(Run.current(), request.getStore())
      return started
    })
    await Promise.all(runs.map((run) => run.drained))
    expect(seen).toEqual([undefined, undefined, undefined, 'a request', 'a run', 'a run'])
  })

  it('is drained at once when its own doWork waits for the stop', async () => {
    const harness = new RunHarness()
    const run = harness.start(() => new Promise(() => {}))
    const drained = run.drained
    run.leaveToCaller(new Promise(() => {}))
    await drained
    await run.drained
    expect(run.isSettled).toBe(false)
  })

  it('is drained only when it has settled once the last stop that its doWork waits for is over', async () => {
    const harness = new RunHarness()
    const work = Promise.withResolvers<void>()
    const run = harness.start(() => work.promise)
    const last = Promise.withResolvers<void>()
    run.leaveToCaller(Promise.reject(new Error('an earlier one')))
    run.leaveToCaller(last.promise)
    await harness.clock.settle()
    await run.drained
    last.resolve()
    await harness.clock.settle()
    const drained = run.drained.then(() => run.isSettled)
    work.resolve()
    expect(await drained).toBe(true)
  })
})
