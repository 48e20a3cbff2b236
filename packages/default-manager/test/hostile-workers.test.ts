import { BackgroundWorkerBase } from '@background-workers/abstractions'
import { beforeEach, describe, expect, it } from 'vitest'
import { HostileStage, PERIOD_MS, failWhereErrorsEscape, hostile } from './fixtures/hostile-stage.ts'

failWhereErrorsEscape()

let stage: HostileStage
beforeEach(() => {
  stage = new HostileStage()
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
    await stage.startWith(hostile(doWork))
    await stage.clock.advance(3 * PERIOD_MS)
    expect(stage.goodRuns).toBe(6)
    const runs = await stage.manager.runs('hostile')
    expect(runs.map(({ outcome }) => outcome)).toEqual(['failed', 'failed', 'failed'])
    expect((await stage.manager.get('hostile'))?.consecutiveFailures).toBe(3)
    expect(stage.logger.linesOf('run failed')).toHaveLength(3)
    expect((await stage.manager.health()).reasons).toMatchObject([{ worker: 'hostile', code: 'failing' }])
    expect(await stage.stop()).toEqual({ finished: 0, abandoned: [] })
  })

  it('whose doWork never returns: it is skipped, aborted at the deadline, and named', async () => {
    let signal: AbortSignal | undefined
    await stage.startWith(
      hostile((context) => {
        signal = context.signal
        return new Promise(() => {})
      }),
    )
    await stage.clock.advance(3 * PERIOD_MS)
    expect(stage.goodRuns).toBe(6)
    const [last, middle, first] = await stage.manager.runs('hostile')
    expect([last?.outcome, middle?.outcome, first?.outcome]).toEqual(['skipped', 'skipped', undefined])
    expect(last?.blockedBy).toBe(first?.runId)
    expect(await stage.stop()).toEqual({ finished: 0, abandoned: [{ worker: 'hostile', runId: first?.runId }] })
    expect(signal?.aborted).toBe(true)
    expect((await stage.manager.runs('hostile'))[2]).toMatchObject({ outcome: 'aborted', reason: 'stop' })
  })

  it('whose start never resolves: it has no slot, and health says so', async () => {
    let runs = 0
    await stage.startWith({ ...hostile(() => runs++), start: () => new Promise(() => {}) })
    await stage.clock.advance(40_000)
    expect([stage.goodRuns, runs]).toEqual([80, 0])
    expect((await stage.manager.get('hostile'))?.state).toBe('start-failed')
    expect((await stage.manager.health()).reasons).toMatchObject([{ worker: 'hostile', code: 'start-failed' }])
    expect(await stage.stop()).toEqual({ finished: 0, abandoned: [] })
  })

  it('whose start throws', async () => {
    await stage.startWith({ ...hostile(() => {}), start: trap })
    await stage.clock.advance(PERIOD_MS)
    expect(stage.goodRuns).toBe(2)
    expect(stage.logger.linesOf('worker failed to start').map(({ data }) => data)).toEqual([
      { err: boom, worker: 'hostile' },
    ])
    expect(await stage.stop()).toEqual({ finished: 0, abandoned: [] })
  })

  it('whose stop never resolves: the stop returns at its deadline and names it', async () => {
    let signal: AbortSignal | undefined
    const stopHostile = (given?: AbortSignal) => {
      signal = given
      return new Promise<void>(() => {})
    }
    await stage.startWith({ ...hostile(() => {}), stop: stopHostile })
    await stage.clock.advance(PERIOD_MS)
    expect(await stage.stop()).toEqual({ finished: 0, abandoned: [{ worker: 'hostile' }] })
    expect(signal?.aborted).toBe(true)
  })

  it.each([
    ['throws', trap],
    ['rejects', async () => trap()],
  ])('whose stop %s', async (_how, stopHostile) => {
    await stage.startWith({ ...hostile(() => {}), stop: stopHostile })
    expect(await stage.stop()).toEqual({ finished: 0, abandoned: [] })
    expect(stage.logger.linesOf('worker failed to stop').map(({ data }) => data)).toEqual([
      { err: boom, worker: 'hostile' },
    ])
  })

  it('whose start is borrowed from the base class', async () => {
    const { start } = BackgroundWorkerBase.prototype as { start: (this: void) => Promise<void> }
    await stage.startWith({ ...hostile(() => {}), start })
    await stage.clock.advance(PERIOD_MS)
    expect(stage.goodRuns).toBe(2)
    expect((await stage.manager.health()).reasons).toMatchObject([{ worker: 'hostile', code: 'start-failed' }])
    await stage.stop()
  })

  it('whose name changes after it was added: it goes by the old one', async () => {
    let runs = 0
    const worker = { ...hostile(() => runs++), name: 'hostile' }
    await stage.startWith(worker)
    worker.name = 'other'
    await stage.clock.advance(3 * PERIOD_MS)
    expect([stage.goodRuns, runs]).toEqual([6, 3])
    const status = await stage.manager.get('hostile')
    expect([status?.state, status?.lastRun?.worker, status?.recentOutcomes.length]).toEqual(['idle', 'hostile', 3])
    expect(await stage.manager.get('other')).toBeUndefined()
    await stage.stop()
  })

  it('that uses a scope whose factory or disposer throws', async () => {
    const { logger } = stage
    for (const scope of ['createScope', 'dispose'] as const) {
      const scopeFactory = {
        createScope: () => (scope === 'createScope' ? trap() : { resolve: () => 1, dispose: trap }),
      }
      stage = new HostileStage({ logger, scopeFactory })
      await stage.startWith(hostile(async ({ services }) => void services.resolve('x')))
      await stage.clock.advance(2 * PERIOD_MS)
      expect(stage.goodRuns).toBe(4)
      const expected = scope === 'createScope' ? 'failed' : 'succeeded'
      expect((await stage.manager.get('hostile'))?.recentOutcomes).toEqual([expected, expected])
      await stage.stop()
    }
    expect(logger.linesOf('disposing the scope of a run failed')).toHaveLength(2)
  })
})
