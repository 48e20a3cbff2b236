import { unstartedRecord } from '@background-workers/abstractions/for-managers'
import { describe, expect, it } from 'vitest'
import { HOUR_MS, TestCluster, lastRareSlot, rarely, untilOver } from './fixtures/cluster.ts'
import { Probe } from './fixtures/probe.ts'

const PERIOD_MS = 48 * HOUR_MS
// However late a slot is made by moving the marks, it may run.
const ANY_TIME = { catchUpWindowMs: 30 * 24 * HOUR_MS }

function unstarted(slot: number) {
  const run = {
    worker: 'digest',
    runId: `digest.${slot}`,
    kind: 'scheduled',
    instanceId: 'other',
    missedSlots: 0,
  } as const
  return unstartedRecord({ ...run, scheduledForMs: slot })
}

/** An instance with a worker whose slots before the last but one are decided, and a run that is told what its tick has read. */
async function instance(cluster: TestCluster) {
  const slot = lastRareSlot()
  const probe = new Probe()
  const succeeded: unknown[] = []
  const manager = await cluster.start([
    probe.worker('digest', rarely(), {
      policy: ANY_TIME,
      doWork: (context) => void succeeded.push(context.lastSucceededAt),
    }),
  ])
  await cluster.setDecided('digest', slot - PERIOD_MS)
  const addRun = async (seen: unknown, missedSlots = 0) => {
    const data = { worker: 'digest', kind: 'scheduled', slot, missedSlots, seen }
    await cluster.queue('runs.default').add('run', data, { jobId: `digest.${slot}`, removeOnComplete: true })
  }
  return { slot, runId: `digest.${slot}`, probe, succeeded, manager, addRun }
}

describe.concurrent('a run that is planned by what its tick has read', () => {
  it('starts, and says when its worker last succeeded', async () => {
    await using cluster = await TestCluster.open()
    const { slot, runId, succeeded, manager, addRun } = await instance(cluster)
    const manual = await untilOver(manager, await manager.trigger('digest'))
    await addRun({ decidedUpTo: slot - PERIOD_MS })
    expect(await untilOver(manager, runId)).toMatchObject({ outcome: 'succeeded' })
    expect(succeeded).toEqual([undefined, manual.finishedAt])
    // Its slot is decided, though no tick has said so.
    expect((await cluster.store().read('digest')).decidedUpTo).toBe(slot)
  })

  it('does not start when its worker was paused meanwhile on another instance', async () => {
    await using cluster = await TestCluster.open()
    const { slot, runId, probe, manager, addRun } = await instance(cluster)
    const other = await cluster.start([new Probe().worker('other', rarely())], { queues: [] })
    await other.pause('digest')
    await addRun({ decidedUpTo: slot - PERIOD_MS })
    expect(await untilOver(manager, runId)).toMatchObject({ outcome: 'skipped', reason: 'paused' })
    expect(probe.calls).toEqual([])
  })

  it('does not start when its worker was removed meanwhile on another instance', async () => {
    await using cluster = await TestCluster.open()
    const { slot, probe, addRun } = await instance(cluster)
    const other = await cluster.start([new Probe().worker('other', rarely())], { queues: [] })
    await other.remove('digest')
    await addRun({ decidedUpTo: slot - PERIOD_MS })
    await cluster.runsSettle()
    expect(probe.calls).toEqual([])
  })

  it('counts its missed slots again when one before it has started meanwhile', async () => {
    await using cluster = await TestCluster.open()
    const { slot, runId, manager, addRun } = await instance(cluster)
    const decidedUpTo = slot - 3 * PERIOD_MS
    await cluster.setDecided('digest', decidedUpTo)
    await cluster.redis.hset(cluster.key('workers'), 'started:digest', slot - PERIOD_MS)
    await addRun({ decidedUpTo }, 2)
    const { outcome, missedSlots } = await untilOver(manager, runId)
    expect({ outcome, missedSlots }).toEqual({ outcome: 'succeeded', missedSlots: undefined })
  })

  it('no longer waits for its jitter, though another instance says so', async () => {
    await using cluster = await TestCluster.open()
    const { slot, runId, manager, addRun } = await instance(cluster)
    const queue = cluster.queue('runs.default')
    await queue.pause()
    await addRun({ decidedUpTo: slot - PERIOD_MS })
    await cluster.store().raiseDecided('digest', slot, unstarted(slot))
    await queue.resume()
    await untilOver(manager, runId)
    await cluster.runsSettle()
    expect((await cluster.store().read('digest')).waiting).toBeUndefined()
    expect((await manager.get('digest'))?.state).toBe('idle')
  })

  it('does not count a slot that has a record, though it waited, and was in the way of a later one, before its mark was raised', async () => {
    await using cluster = await TestCluster.open()
    const { slot: next, manager } = await instance(cluster)
    const slot = next - PERIOD_MS
    const decidedUpTo = slot - 2 * PERIOD_MS
    await cluster.setDecided('digest', decidedUpTo)
    const queue = cluster.queue('runs.default')
    await queue.pause()
    const data = { worker: 'digest', kind: 'scheduled', slot, missedSlots: 1, seen: { decidedUpTo } }
    const options = { jobId: `digest.${slot}`, deduplication: { id: 'digest' }, removeOnComplete: true }
    await queue.add('run', data, options)
    const late = slot - PERIOD_MS
    const missed = { ...unstarted(late), finishedAt: new Date(), outcome: 'missed', reason: 'late' } as const
    const store = cluster.store()
    expect(await store.decideNonRun(missed, late, 100, await store.read('digest'))).toBe(true)
    await cluster.deliverTick('digest', next)
    await queue.resume()
    expect((await untilOver(manager, `digest.${slot}`)).missedSlots).toBeUndefined()
    expect(await untilOver(manager, `digest.${next}`)).toMatchObject({ outcome: 'skipped', reason: 'overlap' })
  })

  it.each([
    ['no object', 'all'],
    ['marks that are none', { decidedUpTo: 'yes', startedUpTo: {} }],
    ['marks that were never there', { decidedUpTo: 1, startedUpTo: 2 }],
  ])('starts all the same when that is %s', async (_what, seen) => {
    await using cluster = await TestCluster.open()
    const { runId, manager, addRun } = await instance(cluster)
    await addRun(seen)
    expect(await untilOver(manager, runId)).toMatchObject({ outcome: 'succeeded' })
  })
})
