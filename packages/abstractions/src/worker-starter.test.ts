import { describe, expect, it } from 'vitest'
import { thenable } from '../test/hostile-values.ts'
import { BackgroundWorkerBase, type IBackgroundWorker } from './background-worker.ts'
import { ManagerStoppedError, StartTimeoutError } from './errors.ts'
import { ManualClock } from './testing/manual-clock.ts'
import { WorkerStarter } from './worker-starter.ts'
import type { LeavingWorker } from './worker-stops.ts'

function createStarter(worker: IBackgroundWorker, leaving?: LeavingWorker) {
  const clock = new ManualClock()
  const told: unknown[][] = []
  const starter = new WorkerStarter(worker, {
    clock,
    options: { startTimeoutMs: 5_000 },
    stops: { leaving: (object) => (object === worker ? leaving : undefined) },
    workerReady: (which, name) => told.push(['ready', which === worker, name]),
    reports: {
      startFailed: (name, error) => told.push(['start failed', name, error]),
      stopFailed: (name, error) => told.push(['stop failed', name, error]),
    },
  })
  return { clock, told, starter }
}

/** A worker with a start and a stop of its own. */
function createWorker(start: (signal?: AbortSignal) => unknown, stop: (signal?: AbortSignal) => unknown = () => {}) {
  return { name: 'w', start, stop } as IBackgroundWorker
}

/** That a worker is leaving which was removed during its run. */
function createLeaving(object: IBackgroundWorker) {
  const [runEnded, done] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const leaving: LeavingWorker = { object, worker: 'w', runEnded: runEnded.promise, done: done.promise, abort() {} }
  return { leaving, endRun: () => runEnded.resolve(), leave: () => done.resolve() }
}

const signal = new AbortController().signal

describe('WorkerStarter', () => {
  it('has a worker ready at once whose start is the inherited one', () => {
    class Plain extends BackgroundWorkerBase {
      readonly name = 'w'
    }
    const { starter, told, clock } = createStarter(new Plain())
    starter.start()
    expect(starter.isReady).toBe(true)
    expect(told).toEqual([])
    expect(clock.timerCount).toBe(0)
  })

  it('has one with its own start ready when that has resolved', async () => {
    const started = Promise.withResolvers<void>()
    const { starter, told, clock } = createStarter(createWorker(() => started.promise))
    starter.start()
    await clock.settle()
    expect([starter.isReady, starter.isFailed, told]).toEqual([false, false, []])
    started.resolve()
    await clock.settle()
    expect([starter.isReady, told]).toEqual([true, [['ready', true, 'w']]])
    expect(clock.timerCount).toBe(0)
  })

  const boom = new Error('boom')
  it.each([
    [
      'throws',
      () => {
        throw boom
      },
    ],
    ['rejects', () => Promise.reject(boom)],
    [
      'gives a thenable that throws',
      () =>
        thenable(() => {
          throw boom
        }),
    ],
  ])('says that a start failed which %s', async (_how, start) => {
    const { starter, told, clock } = createStarter(createWorker(start))
    expect(() => starter.start()).not.toThrow()
    await clock.settle()
    expect([starter.isReady, starter.isFailed]).toEqual([false, true])
    expect(told).toEqual([['start failed', 'w', boom]])
    expect(clock.timerCount).toBe(0)
  })

  it('says that a start failed which is silent for too long, and takes it when it comes late', async () => {
    const started = Promise.withResolvers<void>()
    const { starter, told, clock } = createStarter(createWorker(() => started.promise))
    starter.start()
    await clock.advance(4_999)
    expect(told).toEqual([])
    await clock.advance(1)
    expect(starter.isFailed).toBe(true)
    expect(told).toHaveLength(1)
    const error = told[0]?.[2] as Error
    expect(error).toBeInstanceOf(StartTimeoutError)
    expect(error.message).toBe(
      'Worker "w" has not started within 5000 ms. Let start() resolve when the work has begun, or raise startTimeoutMs.',
    )
    started.resolve()
    await clock.settle()
    expect([starter.isReady, starter.isFailed]).toEqual([true, false])
    expect(told.at(-1)).toEqual(['ready', true, 'w'])
  })

  it('goes by the name that the worker had when it was added', async () => {
    const worker = createWorker(() => Promise.reject(boom)) as { name: string } & IBackgroundWorker
    const { starter, told, clock } = createStarter(worker)
    worker.name = 'other'
    starter.start()
    await clock.settle()
    expect(told).toEqual([['start failed', 'w', boom]])
  })

  it('gives start a signal that a stop aborts', async () => {
    let given: AbortSignal | undefined
    const { starter, clock, told } = createStarter(
      createWorker((startSignal) => {
        given = startSignal
        return new Promise(() => {})
      }),
    )
    starter.start()
    expect(given?.aborted).toBe(false)
    await starter.stop(signal)
    expect(given?.reason).toBeInstanceOf(ManagerStoppedError)
    expect(clock.timerCount).toBe(0)
    await clock.advance(10_000)
    expect(told).toEqual([])
  })

  it('does not hear a start any more that ends after the stop', async () => {
    for (const end of ['resolve', 'reject'] as const) {
      const started = Promise.withResolvers<void>()
      const { starter, told, clock } = createStarter(createWorker(() => started.promise))
      starter.start()
      await starter.stop(signal)
      started[end](boom as never)
      await clock.settle()
      expect([starter.isReady, starter.isFailed, told]).toEqual([false, false, []])
    }
  })

  it('does not take the end of an earlier start for that of a later one', async () => {
    const starts = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    let calls = 0
    const { starter, told, clock } = createStarter(createWorker(() => starts[calls++]?.promise))
    starter.start()
    await starter.stop(signal)
    starter.start()
    starts[0]?.resolve()
    await clock.settle()
    expect([starter.isReady, told]).toEqual([false, []])
    starts[1]?.resolve()
    await clock.settle()
    expect([starter.isReady, told.length]).toEqual([true, 1])
  })

  it('calls start once, however often it is told to, until it is stopped', async () => {
    let calls = 0
    const { starter, told, clock } = createStarter(createWorker(() => void calls++))
    starter.start()
    starter.start()
    await clock.settle()
    starter.start()
    await clock.advance(10_000)
    expect([calls, told, clock.timerCount]).toEqual([1, [['ready', true, 'w']], 0])
    await starter.stop(signal)
    starter.start()
    expect(calls).toBe(2)
  })

  it('calls stop with the signal, once, and only after a start', async () => {
    const signals: unknown[] = []
    const { starter } = createStarter(
      createWorker(
        () => {},
        (stopSignal) => void signals.push(stopSignal),
      ),
    )
    await starter.stop(signal)
    expect(signals).toEqual([])
    starter.start()
    await starter.stop(signal)
    await starter.stop(signal)
    expect(signals).toEqual([signal])
  })

  it.each([
    [
      'throws',
      () => {
        throw boom
      },
    ],
    ['rejects', () => Promise.reject(boom)],
  ])('reports a stop that %s, and does not fail for it', async (_how, stop) => {
    const { starter, told } = createStarter(createWorker(() => {}, stop))
    starter.start()
    await starter.stop(signal)
    expect(told.at(-1)).toEqual(['stop failed', 'w', boom])
    expect(starter.isReady).toBe(false)
  })

  it('says that the start failed of a thing that only borrows the inherited one', async () => {
    const { start } = BackgroundWorkerBase.prototype as { start: (this: void) => Promise<void> }
    const borrowed = { name: 'w', start, stop: async () => {} }
    const { starter, told, clock } = createStarter(borrowed)
    starter.start()
    await clock.settle()
    expect(told.map(([what]) => what)).toEqual(['start failed'])
    expect(starter.isFailed).toBe(true)
  })

  describe('with an object that is leaving', () => {
    const createLeavingWorker = (worker: IBackgroundWorker) => {
      const { leaving, ...rest } = createLeaving(worker)
      return { ...createStarter(worker, leaving), ...rest }
    }

    it('starts it when it has gone, however long its run takes', async () => {
      let calls = 0
      const { starter, told, clock, endRun, leave } = createLeavingWorker(createWorker(() => void calls++))
      starter.start()
      await clock.advance(3_600_000)
      endRun()
      await clock.advance(4_999)
      expect([calls, told, starter.isReady]).toEqual([0, [], false])
      leave()
      await clock.settle()
      expect([calls, told, starter.isReady]).toEqual([1, [['ready', true, 'w']], true])
      expect(clock.timerCount).toBe(0)
    })

    it('says that its start failed when its stop is silent for too long, and takes it when it comes late', async () => {
      let calls = 0
      const { starter, told, clock, endRun, leave } = createLeavingWorker(createWorker(() => void calls++))
      starter.start()
      endRun()
      await clock.advance(5_000)
      expect([calls, starter.isFailed]).toEqual([0, true])
      expect(told).toEqual([['start failed', 'w', expect.any(StartTimeoutError)]])
      expect(told[0]?.[2]).toHaveProperty(
        'message',
        'Worker "w" has not started within 5000 ms: it was removed, and its stop() has not resolved. Let stop() resolve when the work has ended, or raise startTimeoutMs.',
      )
      leave()
      await clock.settle()
      expect([calls, starter.isReady, told.at(-1)]).toEqual([1, true, ['ready', true, 'w']])
    })

    it('says that its start failed when that is silent for too long after its stop', async () => {
      const { starter, told, clock, endRun, leave } = createLeavingWorker(createWorker(() => new Promise(() => {})))
      starter.start()
      endRun()
      await clock.advance(4_000)
      leave()
      await clock.advance(1_000)
      expect(told).toEqual([['start failed', 'w', expect.any(StartTimeoutError)]])
      expect(told[0]?.[2]).toHaveProperty('message', expect.stringContaining('Let start() resolve'))
    })

    it('has it ready after that also where its start is the inherited one', async () => {
      class Plain extends BackgroundWorkerBase {
        readonly name = 'w'
      }
      const { starter, told, clock, endRun, leave } = createLeavingWorker(new Plain())
      starter.start()
      expect(starter.isReady).toBe(false)
      endRun()
      leave()
      await clock.settle()
      expect([starter.isReady, told]).toEqual([true, [['ready', true, 'w']]])
    })

    it.each(['its run', 'its stop'])('neither starts nor stops it when it is removed again during %s', async (what) => {
      const calls: string[] = []
      const worker = createWorker(
        () => void calls.push('start'),
        () => void calls.push('stop'),
      )
      const { starter, told, clock, endRun, leave } = createLeavingWorker(worker)
      starter.start()
      if (what === 'its stop') endRun()
      await clock.settle()
      expect(starter.stop(signal)).toBeUndefined()
      endRun()
      leave()
      await clock.advance(10_000)
      expect([calls, told, starter.isReady, clock.timerCount]).toEqual([[], [], false, 0])
    })
  })

  it('has nothing to wait for where the stop is the inherited one', () => {
    class Heeding extends BackgroundWorkerBase {
      readonly name = 'w'
      get isStopping() {
        return this.stoppingSignal.aborted
      }
    }
    const worker = new Heeding()
    const { starter } = createStarter(worker)
    starter.start()
    expect(worker.isStopping).toBe(false)
    expect(starter.stop(signal)).toBeUndefined()
    expect(worker.isStopping).toBe(true)
  })
})
