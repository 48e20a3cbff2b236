import { describe, expect, it } from 'vitest'
import { thenable } from '../test/hostile-values.ts'
import { BackgroundWorkerBase, type IBackgroundWorker } from './background-worker.ts'
import { ManagerStoppedError, StartTimeoutError } from './errors.ts'
import { ManualClock } from './testing/manual-clock.ts'
import { type StartableWorker, WorkerStarts } from './worker-starts.ts'
import type { LeavingWorker } from './worker-stops.ts'

function createStarts(worker: IBackgroundWorker, leaving?: LeavingWorker) {
  const clock = new ManualClock()
  const told: unknown[][] = []
  const starts = new WorkerStarts({
    clock,
    options: { startTimeoutMs: 5_000 },
    stops: { leaving: (object) => (object === worker ? leaving : undefined) },
    workerReady: (which) => told.push(['ready', which === entry, which.definition.name]),
    reports: {
      startFailed: (name, error) => told.push(['start failed', name, error]),
      stopFailed: (name, error) => told.push(['stop failed', name, error]),
    },
  })
  const entry = createEntry(worker)
  return { clock, told, starts, entry }
}

function createEntry(worker: IBackgroundWorker): StartableWorker {
  return { worker, definition: { name: worker.name }, startState: 'stopped' }
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

describe('WorkerStarts', () => {
  it('has a worker ready at once whose start is the inherited one', () => {
    class Plain extends BackgroundWorkerBase {
      readonly name = 'w'
    }
    const { starts, entry, told, clock } = createStarts(new Plain())
    starts.start(entry)
    expect(entry.startState).toBe('ready')
    expect(told).toEqual([])
    expect(clock.timerCount).toBe(0)
  })

  it('has one with its own start ready when that has resolved', async () => {
    const started = Promise.withResolvers<void>()
    const { starts, entry, told, clock } = createStarts(createWorker(() => started.promise))
    starts.start(entry)
    await clock.settle()
    expect([entry.startState, told]).toEqual(['starting', []])
    started.resolve()
    await clock.settle()
    expect([entry.startState, told]).toEqual(['ready', [['ready', true, 'w']]])
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
    const { starts, entry, told, clock } = createStarts(createWorker(start))
    expect(() => starts.start(entry)).not.toThrow()
    await clock.settle()
    expect(entry.startState).toBe('failed')
    expect(told).toEqual([['start failed', 'w', boom]])
    expect(clock.timerCount).toBe(0)
  })

  it('says that a start failed which is silent for too long, and takes it when it comes late', async () => {
    const started = Promise.withResolvers<void>()
    const { starts, entry, told, clock } = createStarts(createWorker(() => started.promise))
    starts.start(entry)
    await clock.advance(4_999)
    expect(told).toEqual([])
    await clock.advance(1)
    expect(entry.startState).toBe('failed')
    expect(told).toHaveLength(1)
    const error = told[0]?.[2] as Error
    expect(error).toBeInstanceOf(StartTimeoutError)
    expect(error.message).toBe(
      'Worker "w" has not started within 5000 ms. Let start() resolve when the work has begun, or raise startTimeoutMs.',
    )
    started.resolve()
    await clock.settle()
    expect(entry.startState).toBe('ready')
    expect(told.at(-1)).toEqual(['ready', true, 'w'])
  })

  it('goes by the name that the worker had when it was added', async () => {
    const worker = createWorker(() => Promise.reject(boom)) as { name: string } & IBackgroundWorker
    const { starts, entry, told, clock } = createStarts(worker)
    worker.name = 'other'
    starts.start(entry)
    await clock.settle()
    expect(told).toEqual([['start failed', 'w', boom]])
  })

  it('gives start a signal that a stop aborts', async () => {
    let given: AbortSignal | undefined
    const { starts, entry, clock, told } = createStarts(
      createWorker((startSignal) => {
        given = startSignal
        return new Promise(() => {})
      }),
    )
    starts.start(entry)
    expect(given?.aborted).toBe(false)
    await starts.stop(entry, signal)
    expect(given?.reason).toBeInstanceOf(ManagerStoppedError)
    expect(clock.timerCount).toBe(0)
    await clock.advance(10_000)
    expect(told).toEqual([])
  })

  it('does not hear a start any more that ends after the stop', async () => {
    for (const end of ['resolve', 'reject'] as const) {
      const started = Promise.withResolvers<void>()
      const { starts, entry, told, clock } = createStarts(createWorker(() => started.promise))
      starts.start(entry)
      await starts.stop(entry, signal)
      started[end](boom as never)
      await clock.settle()
      expect([entry.startState, told]).toEqual(['stopped', []])
    }
  })

  it('does not take the end of an earlier start for that of a later one', async () => {
    const begun = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    let calls = 0
    const { starts, entry, told, clock } = createStarts(createWorker(() => begun[calls++]?.promise))
    starts.start(entry)
    await starts.stop(entry, signal)
    starts.start(entry)
    begun[0]?.resolve()
    await clock.settle()
    expect([entry.startState, told]).toEqual(['starting', []])
    begun[1]?.resolve()
    await clock.settle()
    expect([entry.startState, told.length]).toEqual(['ready', 1])
  })

  it('tells its workers apart', async () => {
    const started = Promise.withResolvers<void>()
    const { starts, entry, told, clock } = createStarts(createWorker(() => started.promise))
    const other = createEntry(createWorker(() => Promise.reject(boom)))
    starts.start(entry)
    starts.start(other)
    await clock.settle()
    expect([entry.startState, other.startState]).toEqual(['starting', 'failed'])
    await starts.stop(other, signal)
    started.resolve()
    await clock.settle()
    expect([entry.startState, other.startState, told.at(-1)]).toEqual(['ready', 'stopped', ['ready', true, 'w']])
  })

  it('calls start once, however often it is told to, until it is stopped', async () => {
    let calls = 0
    const { starts, entry, told, clock } = createStarts(createWorker(() => void calls++))
    starts.start(entry)
    starts.start(entry)
    await clock.settle()
    starts.start(entry)
    await clock.advance(10_000)
    expect([calls, told, clock.timerCount]).toEqual([1, [['ready', true, 'w']], 0])
    await starts.stop(entry, signal)
    starts.start(entry)
    expect(calls).toBe(2)
  })

  it('calls stop with the signal, once, and only after a start', async () => {
    const signals: unknown[] = []
    const { starts, entry } = createStarts(
      createWorker(
        () => {},
        (stopSignal) => void signals.push(stopSignal),
      ),
    )
    await starts.stop(entry, signal)
    expect(signals).toEqual([])
    starts.start(entry)
    await starts.stop(entry, signal)
    await starts.stop(entry, signal)
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
    const { starts, entry, told } = createStarts(createWorker(() => {}, stop))
    starts.start(entry)
    await starts.stop(entry, signal)
    expect(told.at(-1)).toEqual(['stop failed', 'w', boom])
    expect(entry.startState).toBe('stopped')
  })

  it('says that the start failed of a thing that only borrows the inherited one', async () => {
    const { start } = BackgroundWorkerBase.prototype as { start: (this: void) => Promise<void> }
    const borrowed = { name: 'w', start, stop: async () => {} }
    const { starts, entry, told, clock } = createStarts(borrowed)
    starts.start(entry)
    await clock.settle()
    expect(told.map(([what]) => what)).toEqual(['start failed'])
    expect(entry.startState).toBe('failed')
  })

  describe('with an object that is leaving', () => {
    const createLeavingWorker = (worker: IBackgroundWorker) => {
      const { leaving, ...rest } = createLeaving(worker)
      return { ...createStarts(worker, leaving), ...rest }
    }

    it('starts it when it has gone, however long its run takes', async () => {
      let calls = 0
      const { starts, entry, told, clock, endRun, leave } = createLeavingWorker(createWorker(() => void calls++))
      starts.start(entry)
      await clock.advance(3_600_000)
      endRun()
      await clock.advance(4_999)
      expect([calls, told, entry.startState]).toEqual([0, [], 'starting'])
      leave()
      await clock.settle()
      expect([calls, told, entry.startState]).toEqual([1, [['ready', true, 'w']], 'ready'])
      expect(clock.timerCount).toBe(0)
    })

    it('says that its start failed when its stop is silent for too long, and takes it when it comes late', async () => {
      let calls = 0
      const { starts, entry, told, clock, endRun, leave } = createLeavingWorker(createWorker(() => void calls++))
      starts.start(entry)
      endRun()
      await clock.advance(5_000)
      expect([calls, entry.startState]).toEqual([0, 'failed'])
      expect(told).toEqual([['start failed', 'w', expect.any(StartTimeoutError)]])
      expect(told[0]?.[2]).toHaveProperty(
        'message',
        'Worker "w" has not started within 5000 ms: it was stopped, and its run or its stop() has not ended. Let doWork heed its signal and stop() resolve, or raise startTimeoutMs.',
      )
      leave()
      await clock.settle()
      expect([calls, entry.startState, told.at(-1)]).toEqual([1, 'ready', ['ready', true, 'w']])
    })

    it('says that its start failed when that is silent for too long after its stop', async () => {
      const { starts, entry, told, clock, endRun, leave } = createLeavingWorker(
        createWorker(() => new Promise(() => {})),
      )
      starts.start(entry)
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
      const { starts, entry, told, clock, endRun, leave } = createLeavingWorker(new Plain())
      starts.start(entry)
      expect(entry.startState).toBe('starting')
      endRun()
      leave()
      await clock.settle()
      expect([entry.startState, told]).toEqual(['ready', [['ready', true, 'w']]])
    })

    it.each(['its run', 'its stop'])('neither starts nor stops it when it is removed again during %s', async (what) => {
      const calls: string[] = []
      const worker = createWorker(
        () => void calls.push('start'),
        () => void calls.push('stop'),
      )
      const { starts, entry, told, clock, endRun, leave } = createLeavingWorker(worker)
      starts.start(entry)
      if (what === 'its stop') endRun()
      await clock.settle()
      expect(starts.stop(entry, signal)).toBeUndefined()
      endRun()
      leave()
      await clock.advance(10_000)
      expect([calls, told, entry.startState, clock.timerCount]).toEqual([[], [], 'stopped', 0])
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
    const { starts, entry } = createStarts(worker)
    starts.start(entry)
    expect(worker.isStopping).toBe(false)
    expect(starts.stop(entry, signal)).toBeUndefined()
    expect(worker.isStopping).toBe(true)
  })
})
