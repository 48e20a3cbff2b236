import type { RunRecord } from '@background-workers/abstractions'
import { unstartedRecord } from '@background-workers/abstractions/for-managers'
import { Redis } from 'ioredis'
import { describe, expect, it } from 'vitest'
import { claimedRun } from './fixtures/claimed-run.ts'
import { HOUR_MS, TestCluster, lastRareSlot, listen, rarely, untilOver, untilRecords } from './fixtures/cluster.ts'
import { Probe } from './fixtures/probe.ts'
import { until } from './fixtures/until.ts'

const PERIOD_MS = 48 * HOUR_MS
// However late a slot is made by moving the marks, it may run.
const ANY_TIME = { catchUpWindowMs: 30 * 24 * HOUR_MS }

describe.concurrent('a slot that was decided', () => {
  it('stays skipped when its tick is retried after the run that was in the way', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const gate = Promise.withResolvers<void>()
    const slot = lastRareSlot()
    const manager = await cluster.start([
      probe.worker('digest', rarely(), { policy: ANY_TIME, doWork: () => gate.promise }),
    ])
    try {
      const blocker = await manager.trigger('digest')
      await cluster.setDecided('digest', slot - 1)
      await cluster.deliverTick('digest', slot)
      const skipped = (await manager.runs('digest')).find(({ outcome }) => outcome === 'skipped')
      expect(skipped).toMatchObject({ runId: `digest.${slot}`, reason: 'overlap', blockedBy: blocker })
      gate.resolve()
      await untilOver(manager, blocker)
      await cluster.runsSettle()

      await cluster.deliverTick('digest', slot)
      // An instance that read the marks before the other one decided judges it anew: then the record has the last word.
      await cluster.setDecided('digest', slot - 1)
      await cluster.deliverTick('digest', slot)
      await cluster.runsSettle()

      expect(probe.calls.map(({ runId }) => runId)).toEqual([blocker])
      const records = await manager.runs('digest')
      expect(records.map(({ runId, outcome }) => [runId, outcome])).toEqual(
        expect.arrayContaining([
          [blocker, 'succeeded'],
          [`digest.${slot}`, 'skipped'],
        ]),
      )
      expect(records).toHaveLength(2)
    } finally {
      gate.resolve()
    }
  })

  it('does not run again when its job, long trimmed, is added again', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const slot = lastRareSlot()
    const manager = await cluster.start([probe.worker('digest', rarely(), { policy: ANY_TIME })])
    const runId = `digest.${slot}`
    await cluster.setDecided('digest', slot - 1)
    await cluster.deliverTick('digest', slot)
    await untilOver(manager, runId)
    await cluster.runsSettle()
    expect(await cluster.queue('runs.default').getJob(runId)).toBeUndefined()

    await addRun(cluster, slot)
    await cluster.runsSettle()
    await cluster.setDecided('digest', slot - 1)
    await cluster.deliverTick('digest', slot)
    await cluster.runsSettle()

    expect(probe.calls).toHaveLength(1)
    expect(await manager.runs('digest')).toHaveLength(1)
  })

  it('does not run again when its record is trimmed too', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const slot = lastRareSlot()
    const manager = await cluster.start([probe.worker('digest', rarely(), { policy: { ...ANY_TIME, keepRuns: 1 } })])
    const runId = `digest.${slot}`
    await cluster.setDecided('digest', slot - 1)
    await cluster.deliverTick('digest', slot)
    await untilOver(manager, runId)
    await cluster.runsSettle()
    const manual = await manager.trigger('digest')
    await untilOver(manager, manual)
    await cluster.runsSettle()
    expect((await manager.runs('digest')).map((record) => record.runId)).toEqual([manual])

    await cluster.setDecided('digest', slot - 1)
    await cluster.deliverTick('digest', slot)
    await cluster.runsSettle()

    expect(probe.calls.map((call) => call.runId)).toEqual([runId, manual])
    expect((await manager.runs('digest')).map((record) => record.runId)).toEqual([manual])
  })

  it('has one run however many ticks are delivered for it to however many instances at once', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const schedule = rarely()
    const instances = await Promise.all(
      ['a', 'b', 'c'].map((on) => cluster.start([probe.worker('digest', schedule, { policy: ANY_TIME, on })])),
    )
    const skips = instances.map((instance) => listen(instance, 'run-skipped'))
    const { nextDueAt } = (await instances[0]?.get('digest')) ?? {}
    const slot = (nextDueAt?.getTime() ?? 0) - PERIOD_MS
    await cluster.setDecided('digest', slot - PERIOD_MS)

    const jobs = await cluster.queue('ticks').addBulk(
      Array.from({ length: 30 }, (_, index) => ({
        name: 'tick',
        data: {},
        opts: { jobId: `repeat:digest:${slot - index}`, removeOnComplete: false },
      })),
    )
    for (const job of jobs) await until('the tick is processed', async () => (await job.getState()) === 'completed')
    await cluster.runsSettle()

    expect(probe.calls.map(({ runId }) => runId)).toEqual([`digest.${slot}`])
    const [manager] = instances
    expect(await untilRecords(manager!, 'digest', ([record]) => record?.outcome)).toMatchObject([
      { runId: `digest.${slot}`, outcome: 'succeeded', kind: 'catch-up' },
    ])
    expect(skips.flat()).toEqual([])
  })

  it('has one decision when it is missed and its tick comes again', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const schedule = rarely()
    const manager = await cluster.start([probe.worker('digest', schedule, { policy: { misfire: 'skip' } })])
    const skips = listen(manager, 'run-skipped')
    const { nextDueAt } = (await manager.get('digest')) ?? {}
    const slot = (nextDueAt?.getTime() ?? 0) - PERIOD_MS
    for (const tickedAt of [slot, slot, slot - PERIOD_MS]) {
      await cluster.setDecided('digest', slot - 3 * PERIOD_MS)
      await cluster.deliverTick('digest', tickedAt)
    }
    expect(skips).toMatchObject([{ runId: `digest.${slot}`, outcome: 'missed', reason: 'late', missedSlots: 2 }])
    expect(await manager.runs('digest')).toHaveLength(1)
    expect(probe.calls).toEqual([])
  })

  it('is not missed as well when a later one counts it, however late its own tick is', async () => {
    await using cluster = await TestCluster.open()
    const slot = lastRareSlot()
    await cluster.start([new Probe().worker('digest', rarely())])
    const store = cluster.store()
    const decide = async (dueAt: number, isByTick = true) =>
      store.decideNonRun(missedRecord(dueAt), dueAt, 100, isByTick ? await store.read('digest') : undefined)
    await cluster.setDecided('digest', slot)
    expect(await decide(slot - PERIOD_MS)).toBe(false)
    expect(await decide(slot)).toBe(false)
    expect(await decide(slot + PERIOD_MS)).toBe(true)
    expect(await store.records('digest', undefined)).toMatchObject([{ runId: `digest.${slot + PERIOD_MS}` }])
    // A run that is not started after all decides its slot as well, also when its tick could not say so.
    expect(await decide(slot + 3 * PERIOD_MS, false)).toBe(true)
    expect(await decide(slot + 2 * PERIOD_MS)).toBe(false)
  })

  it('is not counted as missed by a tick that read the worker before: that one has to count again', async () => {
    await using cluster = await TestCluster.open()
    const slot = lastRareSlot()
    await cluster.start([new Probe().worker('digest', rarely())])
    const store = cluster.store()
    await cluster.setDecided('digest', slot - 3 * PERIOD_MS)
    const before = await store.read('digest')
    await cluster.setDecided('digest', slot - PERIOD_MS)
    const record = missedRecord(slot)
    expect(await store.decideNonRun(missedRecord(slot, 2), slot, 100, before)).toBe(undefined)
    expect(await store.records('digest', undefined)).toEqual([])
    expect(await store.decideNonRun(record, slot, 100, await store.read('digest'))).toBe(true)
    // Its answer may have been lost.
    expect(await store.decideNonRun(record, slot, 100, before)).toBe(true)
    // Whoever reads such a mark reads none, and would count again for ever.
    const next = missedRecord(slot + PERIOD_MS)
    await cluster.redis.hset(cluster.key('workers'), 'decided:digest', '5'.padStart(16, '0'))
    expect(await store.decideNonRun(next, slot + PERIOD_MS, 100, await store.read('digest'))).toBe(true)
  })

  it('neither runs nor has a record when a later one had counted it before its own tick came', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const slot = lastRareSlot()
    const manager = await cluster.start([probe.worker('digest', rarely(), { policy: ANY_TIME })])
    const store = cluster.store()
    await cluster.setDecided('digest', slot - 3 * PERIOD_MS)
    const read = { ...(await store.read('digest')), countsAfter: slot - 3 * PERIOD_MS }
    expect(await store.decideNonRun(missedRecord(slot, 2), slot, 100, read)).toBe(true)

    for (const before of [2, 1, 3]) await addRun(cluster, slot - before * PERIOD_MS)
    // That one was waiting, and is not counted.
    await untilOver(manager, `digest.${slot - 3 * PERIOD_MS}`)
    await cluster.runsSettle()

    expect(probe.calls.map((call) => call.slot)).toEqual([slot - 3 * PERIOD_MS])
    const late = slot - PERIOD_MS
    expect(await store.decideNonRun(missedRecord(late), late, 100)).toBe(false)
    expect((await manager.runs('digest')).map(({ runId }) => runId)).toEqual([
      `digest.${slot - 3 * PERIOD_MS}`,
      `digest.${slot}`,
    ])
  })

  it.each([
    ['before it has raised the mark', false],
    ['after it has raised the mark', true],
  ])('is not counted as missed by a later run whose tick had read the worker before, %s', async (_when, isRaised) => {
    await using cluster = await TestCluster.open()
    const slot = lastRareSlot()
    const manager = await cluster.start([new Probe().worker('digest', rarely(), { policy: ANY_TIME })])
    const store = cluster.store()
    // Here the tick of the run counts two.
    await cluster.setDecided('digest', slot - 3 * PERIOD_MS)
    const missedAt = slot - 2 * PERIOD_MS
    expect(await store.decideNonRun(missedRecord(missedAt), missedAt, 100, await store.read('digest'))).toBe(true)
    if (isRaised) await store.raiseDecided('digest', slot)
    await addRun(cluster, slot, 2)
    expect(await untilOver(manager, `digest.${slot}`)).toMatchObject({ outcome: 'succeeded', missedSlots: 1 })
  })

  it('is not counted as missed by a run that was planned before: that one is planned again', async () => {
    await using cluster = await TestCluster.open()
    const slot = lastRareSlot()
    await cluster.start([new Probe().worker('digest', rarely())])
    const store = cluster.store()
    const decidedBefore = slot - 3 * PERIOD_MS
    const { record, claim } = claimedRun(slot, { decidedBefore })
    const decide = () => store.decideRun(record, claim)
    await cluster.setDecided('digest', slot - PERIOD_MS)
    expect(await decide()).toBe('plan-again')
    await store.raiseDecided('digest', slot)
    expect(await decide()).toBe('plan-again')
    expect(await store.records('digest', undefined)).toEqual([])
    await cluster.setDecided('digest', decidedBefore)
    await store.raiseDecided('digest', slot)
    expect(await decide()).toEqual({ lastSucceededAtMs: undefined })
  })

  it('is not counted as missed by a later run whose tick came before it started', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const slot = lastRareSlot()
    const manager = await cluster.start([probe.worker('digest', rarely(), { policy: ANY_TIME })])
    const first = slot - 2 * PERIOD_MS
    await addRun(cluster, first)
    await untilOver(manager, `digest.${first}`)
    // As its tick counted them while the first one was still waiting.
    await addRun(cluster, slot, 2)
    expect(await untilOver(manager, `digest.${slot}`)).toMatchObject({ outcome: 'succeeded', missedSlots: 1 })
    expect(probe.calls.map(({ missedSlots }) => missedSlots)).toEqual([0, 1])
  })

  it('does not keep later slots from running by a mark that is too long to be one', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const slot = lastRareSlot()
    const manager = await cluster.start([probe.worker('digest', rarely(), { policy: ANY_TIME })])
    await cluster.setDecided('digest', slot - 1)
    await cluster.redis.hset(cluster.key('workers'), 'started:digest', '1e300')
    await cluster.deliverTick('digest', slot)
    await cluster.runsSettle()
    expect(probe.calls.map(({ runId }) => runId)).toEqual([`digest.${slot}`])
    // From here on there are marks again, also where the one up to which slots are decided could not be read.
    const store = cluster.store()
    await cluster.redis.hset(cluster.key('workers'), 'decided:digest', '9'.repeat(16))
    await store.raiseDecided('digest', slot)
    expect(await store.read('digest')).toMatchObject({ startedUpTo: slot, decidedUpTo: slot })
    await manager.stop()
  })

  it('is told once, also when its run ends while the records are read', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const gate = Promise.withResolvers<void>()
    const manager = await cluster.start([probe.worker('digest', rarely(), { doWork: () => gate.promise })])
    const client = new Redis(cluster.redisUrl, { maxRetriesPerRequest: null })
    try {
      const reader = await cluster.start([], { isEnabled: false, connection: client })
      const runId = await manager.trigger('digest')
      await until('it runs', () => probe.calls.length === 1)
      const readRecords = client.hvals.bind(client)
      client.hvals = (async (key: string) => {
        const records = await readRecords(key)
        gate.resolve()
        await untilOver(manager, runId)
        return records
      }) as never
      expect((await reader.runs('digest')).map((record) => record.runId)).toEqual([runId])
      await reader.stop()
    } finally {
      gate.resolve()
      client.disconnect()
    }
  })
})

/** Adds the run of a slot as its tick does, which may have counted missed slots. */
async function addRun(cluster: TestCluster, slot: number, missedSlots = 0): Promise<void> {
  const data = { worker: 'digest', kind: 'scheduled', slot, missedSlots }
  await cluster.queue('runs.default').add('run', data, { jobId: `digest.${slot}`, removeOnComplete: true })
}

/** The record with which another instance says that a slot was missed. */
function missedRecord(slot: number, missedSlots = 0): RunRecord {
  const undecided = { worker: 'digest', runId: `digest.${slot}`, kind: 'scheduled', instanceId: 'other' } as const
  const record = unstartedRecord({ ...undecided, scheduledForMs: slot, missedSlots })
  return { ...record, finishedAt: new Date(), outcome: 'missed', reason: 'late' }
}
