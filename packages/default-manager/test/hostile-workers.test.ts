import {
  BackgroundWorkerBase,
  type IBackgroundWorker,
  type PeriodicBackgroundWorkerContext,
  type PeriodicWorkerParts,
  type StopReport,
  every,
  periodicWorker,
} from '@background-workers/abstractions'
import { ManualClock, RecordingLogger } from '@background-workers/abstractions/testing'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DefaultBackgroundWorkerManager } from '../src/default-background-worker-manager.ts'
import type { DefaultManagerOptions } from '../src/options.ts'

const PERIOD_MS = 1_000
const schedule = every(PERIOD_MS, { offset: 0 })

let clock: ManualClock
let logger: RecordingLogger
let manager: DefaultBackgroundWorkerManager
let goodRuns: number
const escaped: unknown[] = []
const noteEscaped = (error: unknown) => void escaped.push(error)

function createManager(options: DefaultManagerOptions = {}): void {
  manager = new DefaultBackgroundWorkerManager({ clock, logger, ...options })
}

/** Starts a hostile worker between two good ones. */
async function startBesideGoodOnes(hostile: IBackgroundWorker): Promise<void> {
  await manager.add(periodicWorker({ name: 'good-1', schedule, doWork: () => void goodRuns++ }))
  await manager.add(hostile)
  await manager.add(periodicWorker({ name: 'good-2', schedule, doWork: () => void goodRuns++ }))
  await manager.start()
}

const hostile = (
  doWork: (context: PeriodicBackgroundWorkerContext) => unknown,
  rest: Partial<PeriodicWorkerParts> = {},
) => ({ name: 'hostile', schedule, ...rest, doWork, async start() {}, async stop() {} }) as IBackgroundWorker

/** Stops the manager while the clock goes on, and checks that this took no longer than the deadline and a second. */
async function stop(timeoutMs = 5_000): Promise<StopReport> {
  const startedAt = clock.monotonicNow()
  let report: StopReport | undefined
  void manager.stop({ timeoutMs }).then((result) => {
    report = result
  })
  while (!report && clock.monotonicNow() - startedAt < timeoutMs + 1_000) await clock.advance(100)
  if (!report) throw new Error('stop has not returned within its deadline')
  expect(manager.state).toBe('stopped')
  expect(clock.timerCount).toBe(0)
  return report
}

beforeEach(() => {
  clock = new ManualClock()
  logger = new RecordingLogger()
  goodRuns = 0
  escaped.length = 0
  createManager()
  process.on('unhandledRejection', noteEscaped)
  process.on('uncaughtException', noteEscaped)
})

afterEach(async () => {
  await clock.settle()
  process.off('unhandledRejection', noteEscaped)
  process.off('uncaughtException', noteEscaped)
  expect(escaped).toEqual([])
})

describe('the others keep their schedule, and nothing escapes, beside a worker', () => {
  const boom = new Error('boom')
  const trap = () => {
    throw boom
  }
  const settleTwice = (resolve: () => void, reject: (error: unknown) => void) => {
    reject(boom)
    resolve()
    trap()
  }
  it.each<[string, () => unknown]>([
    ['whose doWork throws synchronously', trap],
    ['whose doWork rejects', async () => trap()],
    ['whose doWork rejects with undefined', () => Promise.reject(undefined)],
    [
      'whose doWork throws a frozen object',
      () => {
        throw Object.freeze({ a: 1 })
      },
    ],
    [
      'whose doWork throws a proxy that throws',
      () => {
        throw new Proxy({}, { get: trap, getPrototypeOf: trap, has: trap })
      },
    ],
    ['whose doWork gives a thenable that throws', () => Object.defineProperty({}, 'then', { value: trap })],
    ['whose doWork gives a thenable that can not be read', () => Object.defineProperty({}, 'then', { get: trap })],
    [
      'whose doWork gives a thenable that settles twice',
      () => Object.defineProperty({}, 'then', { value: settleTwice }),
    ],
  ])('%s', async (_title, doWork) => {
    await startBesideGoodOnes(hostile(doWork))
    await clock.advance(3 * PERIOD_MS)
    expect(goodRuns).toBe(6)
    const runs = await manager.runs('hostile')
    expect(runs.map(({ outcome }) => outcome)).toEqual(['failed', 'failed', 'failed'])
    expect((await manager.get('hostile'))?.consecutiveFailures).toBe(3)
    expect(logger.linesOf('run failed')).toHaveLength(3)
    expect((await manager.health()).reasons).toMatchObject([{ worker: 'hostile', code: 'failing' }])
    expect(await stop()).toEqual({ finished: 0, abandoned: [] })
  })

  it('whose doWork never returns: it is skipped, aborted at the deadline, and named', async () => {
    let signal: AbortSignal | undefined
    await startBesideGoodOnes(
      hostile((context) => {
        signal = context.signal
        return new Promise(() => {})
      }),
    )
    await clock.advance(3 * PERIOD_MS)
    expect(goodRuns).toBe(6)
    const [last, middle, first] = await manager.runs('hostile')
    expect([last?.outcome, middle?.outcome, first?.outcome]).toEqual(['skipped', 'skipped', undefined])
    expect(last?.blockedBy).toBe(first?.runId)
    expect(await stop()).toEqual({ finished: 0, abandoned: [{ worker: 'hostile', runId: first?.runId }] })
    expect(signal?.aborted).toBe(true)
    expect((await manager.runs('hostile'))[2]).toMatchObject({ outcome: 'aborted', reason: 'stop' })
  })

  it('whose start never resolves: it has no slot, and health says so', async () => {
    let runs = 0
    await startBesideGoodOnes({ ...hostile(() => runs++), start: () => new Promise(() => {}) })
    await clock.advance(40_000)
    expect([goodRuns, runs]).toEqual([80, 0])
    expect((await manager.get('hostile'))?.state).toBe('start-failed')
    expect((await manager.health()).reasons).toMatchObject([{ worker: 'hostile', code: 'start-failed' }])
    expect(await stop()).toEqual({ finished: 0, abandoned: [] })
  })

  it('whose start throws', async () => {
    await startBesideGoodOnes({ ...hostile(() => {}), start: trap })
    await clock.advance(PERIOD_MS)
    expect(goodRuns).toBe(2)
    expect(logger.linesOf('worker failed to start').map(({ data }) => data)).toEqual([{ err: boom, worker: 'hostile' }])
    expect(await stop()).toEqual({ finished: 0, abandoned: [] })
  })

  it('whose stop never resolves: the stop returns at its deadline and names it', async () => {
    let signal: AbortSignal | undefined
    const stopHostile = (given?: AbortSignal) => {
      signal = given
      return new Promise<void>(() => {})
    }
    await startBesideGoodOnes({ ...hostile(() => {}), stop: stopHostile })
    await clock.advance(PERIOD_MS)
    expect(await stop()).toEqual({ finished: 0, abandoned: [{ worker: 'hostile' }] })
    expect(signal?.aborted).toBe(true)
  })

  it.each([
    ['throws', trap],
    ['rejects', async () => trap()],
  ])('whose stop %s', async (_how, stopHostile) => {
    await startBesideGoodOnes({ ...hostile(() => {}), stop: stopHostile })
    expect(await stop()).toEqual({ finished: 0, abandoned: [] })
    expect(logger.linesOf('worker failed to stop').map(({ data }) => data)).toEqual([{ err: boom, worker: 'hostile' }])
  })

  it('whose start is borrowed from the base class', async () => {
    const { start } = BackgroundWorkerBase.prototype as { start: (this: void) => Promise<void> }
    await startBesideGoodOnes({ ...hostile(() => {}), start })
    await clock.advance(PERIOD_MS)
    expect(goodRuns).toBe(2)
    expect((await manager.health()).reasons).toMatchObject([{ worker: 'hostile', code: 'start-failed' }])
    await stop()
  })

  it('whose name changes after it was added: it goes by the old one', async () => {
    let runs = 0
    const worker = { ...hostile(() => runs++), name: 'hostile' }
    await startBesideGoodOnes(worker)
    worker.name = 'other'
    await clock.advance(3 * PERIOD_MS)
    expect([goodRuns, runs]).toEqual([6, 3])
    const status = await manager.get('hostile')
    expect([status?.state, status?.lastRun?.worker, status?.recentOutcomes.length]).toEqual(['idle', 'hostile', 3])
    expect(await manager.get('other')).toBeUndefined()
    await stop()
  })

  it('that uses a scope whose factory or disposer throws', async () => {
    for (const scope of ['createScope', 'dispose'] as const) {
      clock = new ManualClock()
      goodRuns = 0
      const scopeFactory = {
        createScope: () => (scope === 'createScope' ? trap() : { resolve: () => 1, dispose: trap }),
      }
      createManager({ scopeFactory })
      await startBesideGoodOnes(hostile(async ({ services }) => void services.resolve('x')))
      await clock.advance(2 * PERIOD_MS)
      expect(goodRuns).toBe(4)
      const expected = scope === 'createScope' ? 'failed' : 'succeeded'
      expect((await manager.get('hostile'))?.recentOutcomes).toEqual([expected, expected])
      await stop()
    }
    expect(logger.linesOf('disposing the scope of a run failed')).toHaveLength(2)
  })
})

describe('a logger that fails', () => {
  const trap = (): never => {
    throw new Error('no log')
  }
  const methods = { debug: trap, info: trap, warn: trap, error: trap }
  const rejecting = async () => trap()
  it.each([
    ['in its methods', methods],
    ['in child()', { ...methods, child: trap }],
    ['in a child that is none', { ...methods, child: () => undefined as never }],
    ['by rejecting', { debug: rejecting, info: rejecting, warn: rejecting, error: rejecting }],
  ])('%s stops nothing', async (_how, failing) => {
    createManager({ logger: failing })
    let runs = 0
    await startBesideGoodOnes(
      hostile(async (context) => {
        runs++
        context.logger.info({}, 'x')
        throw new Error('x')
      }),
    )
    await clock.advance(2 * PERIOD_MS)
    expect([goodRuns, runs]).toEqual([4, 2])
    await manager.pause('hostile')
    expect(await stop()).toEqual({ finished: 0, abandoned: [] })
  })
})

describe('a listener that fails', () => {
  it('by throwing or rejecting, on every event, breaks nothing', async () => {
    for (const event of [
      'run-started',
      'run-finished',
      'run-skipped',
      'worker-added',
      'health-changed',
      'worker-paused',
    ] as const) {
      manager.on(event, () => {
        throw new Error('sync')
      })
      manager.on(event, async () => {
        throw new Error('async')
      })
    }
    await startBesideGoodOnes(hostile(async () => Promise.reject(new Error('x'))))
    await clock.advance(3 * PERIOD_MS)
    await manager.pause('hostile')
    expect(goodRuns).toBe(6)
    expect(logger.linesOf('a listener failed').length).toBeGreaterThan(20)
    expect(await stop()).toEqual({ finished: 0, abandoned: [] })
  })
})

describe('a worker that calls its manager synchronously in doWork', () => {
  it.each<[string, (name: string) => Promise<unknown>, state: string | undefined, expectedRuns: number]>([
    ['pauses', (name) => manager.pause(name), 'paused', 1],
    ['removes', (name) => manager.remove(name), undefined, 1],
    ['reschedules', (name) => manager.reschedule(name, every('1h', { offset: 0 })), 'idle', 1],
    ['triggers', (name) => manager.trigger(name).catch(() => {}), 'idle', 2],
    ['resumes', (name) => manager.resume(name), 'idle', 2],
  ])('%s itself, and the others go on', async (_what, call, state, expectedRuns) => {
    let runs = 0
    const made: Promise<unknown>[] = []
    await startBesideGoodOnes(
      hostile(() => {
        runs++
        made.push(call('hostile'))
        return made.at(-1)
      }),
    )
    await clock.advance(2 * PERIOD_MS)
    await Promise.all(made)
    expect(goodRuns).toBe(4)
    expect((await manager.get('hostile'))?.state).toBe(state)
    expect(runs).toBe(expectedRuns)
    expect(await stop()).toEqual({ finished: 0, abandoned: [] })
  })

  it.each(['remove', 'pause'] as const)('%ss others that are due in the same moment: they do not run', async (call) => {
    const ran: string[] = []
    const victims = ['victim-1', 'victim-2', 'victim-3', 'victim-4']
    const addVictim = (name: string) => manager.add({ ...hostile(() => ran.push(name)), name })
    for (const name of victims.slice(0, 2)) await addVictim(name)
    const attack = () => {
      ran.push('hostile')
      return Promise.all(victims.map((name) => manager[call](name)))
    }
    await startBesideGoodOnes(hostile(attack))
    for (const name of victims.slice(2)) await addVictim(name)
    await clock.advance(2 * PERIOD_MS)
    // Whoever comes first in the first ring: from then on there is no victim.
    expect(ran.slice(ran.indexOf('hostile'))).toEqual(['hostile', 'hostile'])
    expect(ran.length).toBeLessThan(2 + victims.length)
    expect(goodRuns).toBe(4)
    await stop()
  })

  it('triggers another one that is due in the same moment: it runs once, and the slot is skipped', async () => {
    await manager.add(hostile(() => manager.trigger('victim').catch(() => {})))
    let victimRuns = 0
    const gate = Promise.withResolvers<void>()
    const work = () => {
      victimRuns++
      return gate.promise
    }
    await manager.add({ ...hostile(work), name: 'victim' })
    await manager.start()
    await clock.advance(PERIOD_MS)
    expect(victimRuns).toBe(1)
    expect(await manager.runs('victim')).toMatchObject([{ outcome: 'skipped', reason: 'overlap' }, { kind: 'manual' }])
    gate.resolve()
    await stop()
  })

  it('stops the manager: it is not waited for, nothing else is started, and it can be started again', async () => {
    let report: StopReport | undefined
    let runs = 0
    await startBesideGoodOnes(
      hostile(async () => {
        if (runs++ === 0) report = await manager.stop()
      }),
    )
    await clock.advance(PERIOD_MS)
    // The good one that was due before it is waited for and counted, it is not.
    expect(report).toEqual({ finished: 1, abandoned: [] })
    expect(manager.state).toBe('stopped')
    const before = goodRuns
    await clock.advance(5 * PERIOD_MS)
    expect([goodRuns, runs]).toEqual([before, 1])
    await manager.start()
    await clock.advance(PERIOD_MS)
    expect(runs).toBe(2)
    await stop()
  })

  it('stops the manager in the run of its start', async () => {
    let report: StopReport | undefined
    const worker = periodicWorker({
      name: 'stopper',
      schedule,
      policy: { runOnStart: true },
      doWork: async () => {
        report = await manager.stop()
      },
    })
    await startBesideGoodOnes(worker)
    await clock.advance(3 * PERIOD_MS)
    expect(report).toEqual({ finished: 0, abandoned: [] })
    expect([manager.state, goodRuns, clock.timerCount]).toEqual(['stopped', 0, 0])
  })

  it('stops another manager: its own one still waits for it', async () => {
    const other = new DefaultBackgroundWorkerManager({ clock })
    await other.start()
    const gate = Promise.withResolvers<void>()
    await startBesideGoodOnes(
      hostile(async () => {
        await other.stop()
        await gate.promise
      }),
    )
    await clock.advance(PERIOD_MS)
    expect(other.state).toBe('stopped')
    let report: StopReport | undefined
    void manager.stop({ timeoutMs: 5_000 }).then((result) => {
      report = result
    })
    await clock.advance(1_000)
    expect(report).toBeUndefined()
    gate.resolve()
    await clock.settle()
    expect(report).toEqual({ finished: 1, abandoned: [] })
  })
})

describe('a worker that calls its manager in start or stop', () => {
  it('removes another in its start: that one is never started', async () => {
    let starts = 0
    await manager.add({ name: 'remover', start: async () => void (await manager.remove('victim')), async stop() {} })
    await manager.add({ name: 'victim', start: async () => void starts++, async stop() {} })
    await manager.start()
    await clock.settle()
    expect(starts).toBe(0)
    expect((await manager.list()).map(({ name }) => name)).toEqual(['remover'])
    await stop()
  })

  it('stops the manager in its start', async () => {
    await startBesideGoodOnes({ ...hostile(() => {}), start: async () => void (await manager.stop()) })
    await clock.advance(3 * PERIOD_MS)
    expect([manager.state, goodRuns, clock.timerCount]).toEqual(['stopped', 0, 0])
  })

  it('starts the manager in its stop: it starts after the stop', async () => {
    let stops = 0
    const again: Promise<void>[] = []
    const stopHostile = async () => {
      if (stops++ === 0) again.push(manager.start())
    }
    await startBesideGoodOnes({ ...hostile(() => {}), stop: stopHostile })
    await manager.stop()
    await Promise.all(again)
    expect(manager.state).toBe('running')
    await clock.advance(2 * PERIOD_MS)
    expect(goodRuns).toBe(4)
    await stop()
  })
})
