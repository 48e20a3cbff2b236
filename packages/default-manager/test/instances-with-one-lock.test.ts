import {
  InProcessLock,
  type IPeriodicBackgroundWorker,
  type PeriodicBackgroundWorkerContext,
  type RunRecord,
  every,
  periodicWorker,
} from '@background-workers/abstractions'
import { ManualClock } from '@background-workers/abstractions/testing'
import { describe, expect, it, onTestFinished } from 'vitest'
import { DefaultBackgroundWorkerManager } from '../src/default-background-worker-manager.ts'

const MINUTE_MS = 60_000

/** Many instances of an application, each with a clock that is wrong by so much, and one lock. */
class Cluster {
  readonly base = new ManualClock()
  readonly lock = new InProcessLock({ clock: this.base })
  readonly runs: { readonly slot: number; readonly at: number; readonly instance: number }[] = []
  readonly managers: DefaultBackgroundWorkerManager[] = []
  readonly #worker: Omit<IPeriodicBackgroundWorker, 'start' | 'stop' | 'doWork'>
  readonly #runMs: number
  active = 0
  mostActive = 0

  constructor(worker: Omit<IPeriodicBackgroundWorker, 'start' | 'stop' | 'doWork'>, runMs = 0) {
    this.#worker = worker
    this.#runMs = runMs
  }

  async start(clockErrorMs: number): Promise<DefaultBackgroundWorkerManager> {
    const { base } = this
    const clock = {
      now: () => base.now() + clockErrorMs,
      monotonicNow: () => base.monotonicNow(),
      setTimer: base.setTimer.bind(base),
      clearTimer: base.clearTimer.bind(base),
    }
    const manager = new DefaultBackgroundWorkerManager({ clock, distributedLock: this.lock })
    const instance = this.managers.push(manager) - 1
    await manager.add(
      periodicWorker({
        ...this.#worker,
        doWork: async ({ scheduledFor }) => {
          this.runs.push({ slot: scheduledFor.getTime(), at: base.now(), instance })
          this.mostActive = Math.max(this.mostActive, ++this.active)
          if (this.#runMs > 0) await new Promise<void>((resolve) => base.setTimer(resolve, this.#runMs))
          this.active--
        },
      }),
    )
    await manager.start()
    onTestFinished(async () => {
      await Promise.all([manager.stop({ timeoutMs: 0 }), base.advance(2_000)])
    })
    return manager
  }

  /** The slots that ran, and those between the first and the last that did not. */
  slots(periodMs: number) {
    const slots = this.runs.map(({ slot }) => slot)
    const ran = new Set(slots)
    const lost = []
    for (let slot = slots[0] as number; slot <= (slots.at(-1) as number); slot += periodMs) {
      if (!ran.has(slot)) lost.push(slot)
    }
    return { count: slots.length, twice: slots.length - ran.size, lost }
  }
}

describe('several instances with one lock', () => {
  it.each<[string, number[]]>([
    ['the same time', [0, 0, 0]],
    ['milliseconds apart', [0, 3, -7]],
    ['seconds apart', [0, 3_300, -2_700]],
    ['whole periods apart', [0, 3_000, -2_000, 1_000]],
    ['minutes apart', [0, 61_000, -120_500]],
  ])('run each slot once: their clocks are %s', async (_what, errors) => {
    const cluster = new Cluster({ name: 'tick', schedule: every('1s') }, 120)
    for (const error of errors) await cluster.start(error)
    await cluster.base.advance(10 * MINUTE_MS)
    const { count, twice, lost } = cluster.slots(1_000)
    expect([twice, lost, cluster.mostActive]).toEqual([0, [], 1])
    expect(count).toBeGreaterThanOrEqual(598)
    expect(cluster.runs.every(({ slot, at }) => errors.some((error) => slot === at + error))).toBe(true)
  })

  it('take over when the one that is ahead is stopped: no slot is lost, none runs twice', async () => {
    const cluster = new Cluster({ name: 'tick', schedule: every('1s', { offset: 0 }) })
    await cluster.start(0)
    const ahead = await cluster.start(4_000)
    await cluster.start(-1_500)
    await cluster.base.advance(30_500)
    expect(cluster.runs.at(-1)?.instance).toBe(1)
    await ahead.stop()
    await cluster.base.advance(30_000)
    const { twice, lost } = cluster.slots(1_000)
    expect([twice, lost, cluster.runs.at(-1)?.instance]).toEqual([0, [], 0])
  })

  it('go on with their own slots beside one whose clock is a day ahead', async () => {
    const cluster = new Cluster({ name: 'tick', schedule: every('1m', { offset: 0 }) })
    await cluster.start(0)
    const ahead = await cluster.start(24 * 60 * MINUTE_MS)
    await cluster.base.advance(MINUTE_MS)
    await ahead.stop()
    await cluster.base.advance(30 * MINUTE_MS)
    expect(cluster.runs.filter(({ instance }) => instance === 0)).toHaveLength(31)
  })

  it('lose the slot, and no other, of one that dies between claim and run', async () => {
    const cluster = new Cluster({ name: 'tick', schedule: every('1m', { offset: 0 }) })
    await cluster.start(0)
    await cluster.start(1_000)
    await cluster.base.advance(5 * MINUTE_MS - 10_000)
    const dueAt = Date.UTC(2026, 0, 1, 0, 5)
    await cluster.lock.acquire({ worker: 'tick', runId: 'tick.dead', slot: { dueAt, startableForMs: 30_000 } })
    // Its lease runs out.
    cluster.lock.lose('tick')
    await cluster.base.advance(5 * MINUTE_MS)
    expect(cluster.slots(MINUTE_MS)).toMatchObject({ twice: 0, lost: [dueAt] })
  })

  it('skip the slots that meet a run on another instance, and start none of them late', async () => {
    const cluster = new Cluster({ name: 'tick', schedule: every('1s', { offset: 0 }) }, 2_500)
    const managers = [await cluster.start(0), await cluster.start(300)]
    await cluster.base.advance(60_000)
    expect([cluster.slots(1_000).twice, cluster.mostActive]).toEqual([0, 1])
    expect(cluster.runs.length).toBeGreaterThan(15)
    expect(cluster.runs.every(({ slot, at, instance }) => slot === at + (instance === 1 ? 300 : 0))).toBe(true)
    const records = (await Promise.all(managers.map((manager) => manager.runs('tick')))).flat()
    const skipped = records.filter(({ reason }) => reason === 'held-elsewhere')
    expect(skipped.length).toBeGreaterThan(20)
    const runIds = new Set(records.filter(({ startedAt }) => startedAt).map(({ runId }) => runId))
    const isKnown = ({ blockedBy }: RunRecord) => blockedBy === undefined || runIds.has(blockedBy)
    expect(skipped.every(isKnown)).toBe(true)
  })

  it.each([
    ['a little', 5, 25],
    // One is passed by until the step is noticed.
    ['a day', 24 * 60, 29],
  ])('run no slot again when all clocks are set back by %s, and are not silenced', async (_what, minutes, count) => {
    const clock = new ManualClock()
    const lock = new InProcessLock({ clock })
    const managers = [1, 2].map(() => new DefaultBackgroundWorkerManager({ clock, distributedLock: lock }))
    const runs: number[] = []
    const doWork = async ({ scheduledFor }: PeriodicBackgroundWorkerContext) => void runs.push(scheduledFor.getTime())
    for (const manager of managers) {
      onTestFinished(async () => {
        await manager.stop()
      })
      await manager.add(periodicWorker({ name: 'tick', schedule: every('1m', { offset: 0 }), doWork }))
      await manager.start()
    }
    await clock.advance(10 * MINUTE_MS)
    clock.step(-minutes * MINUTE_MS)
    await clock.advance(20 * MINUTE_MS)
    expect(runs).toHaveLength(count)
    expect(new Set(runs).size).toBe(count)
  })
})
