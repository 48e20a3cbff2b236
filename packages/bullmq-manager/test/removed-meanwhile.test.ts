import { describe, expect, it, vi } from 'vitest'
import { Session } from '../src/session.ts'
import { Store } from '../src/store.ts'
import type { StoredDefinition } from '../src/stored-values.ts'
import { UnstartedRuns } from '../src/unstarted-runs.ts'
import { WorkerControl } from '../src/worker-control.ts'
import { claimedRun } from './fixtures/claimed-run.ts'
import { DAY_MS, HOUR_MS, TestCluster, lastRareSlot, listen, rarely, untilOver } from './fixtures/cluster.ts'
import { Probe } from './fixtures/probe.ts'
import { until } from './fixtures/until.ts'

vi.mock('../src/reconciler.ts', async (original) => ({ ...(await original<object>()), BEAT_MS: 100 }))

it('a worker that is removed while it is being added is not announced', async () => {
  await using cluster = await TestCluster.open()
  const probe = new Probe()
  const manager = await cluster.start([])
  const added = listen(manager, 'worker-added')
  const removed = listen(manager, 'worker-removed')
  const declared = Promise.withResolvers<void>()
  using _ = vi.spyOn(Session.prototype, 'declare').mockReturnValue(declared.promise)
  const adding = manager.add(probe.worker('late', rarely()))
  expect(await manager.remove('late')).toBe(true)
  declared.resolve()
  await adding
  expect(added).toEqual([])
  expect(removed).toEqual([{ worker: 'late' }])
  expect(await manager.list()).toEqual([])
})

it('a removal that a heartbeat sees before its call ends is told once, and spares what is added then', async () => {
  await using cluster = await TestCluster.open()
  const probe = new Probe()
  const manager = await cluster.start([probe.worker('digest', rarely())])
  const removed = listen(manager, 'worker-removed')
  // oxlint-disable-next-line typescript/unbound-method -- it is called with its control
  const { remove } = WorkerControl.prototype
  using _ = vi.spyOn(WorkerControl.prototype, 'remove').mockImplementation(async function (this: WorkerControl, name) {
    const isRemoved = await remove.call(this, name)
    await until('a heartbeat has seen it', () => removed.length > 0)
    await manager.add(probe.worker('digest', rarely()))
    return isRemoved
  })
  expect(await manager.remove('digest')).toBe(true)
  expect(removed).toEqual([{ worker: 'digest' }])
  await untilOver(manager, await manager.trigger('digest'))
  expect(probe.calls).toHaveLength(1)
})

it('a worker that was removed before the clock of Redis was set back is there once it is added again', async () => {
  await using cluster = await TestCluster.open()
  const probe = new Probe()
  const manager = await cluster.start([probe.worker('digest', rarely())])
  await manager.remove('digest')
  await cluster.redis.hset(cluster.key('workers'), 'removed:digest', `${Date.now() + HOUR_MS} ${crypto.randomUUID()}`)
  await manager.add(probe.worker('digest', rarely()))
  expect((await manager.list()).map(({ name, state }) => `${name} ${state}`)).toEqual(['digest idle'])
  expect(Object.keys(await cluster.storedSchedulers())).toEqual(['digest'])
})

it('a worker that was removed is there once it is added again, though the clock of this machine was just set ahead', async () => {
  await using cluster = await TestCluster.open()
  const probe = new Probe()
  const manager = await cluster.start([probe.worker('digest', rarely())])
  await manager.remove('digest')
  const realNow = Date.now
  using _ = vi.spyOn(Date, 'now').mockImplementation(() => realNow() + HOUR_MS)
  await manager.add(probe.worker('digest', rarely()))
  expect((await manager.list()).map(({ name, state }) => `${name} ${state}`)).toEqual(['digest idle'])
  const { 'definition:digest': definition = '' } = await cluster.storedWorkers()
  expect((JSON.parse(definition) as StoredDefinition).declaredAt).toBeLessThan(realNow() + HOUR_MS / 2)
})

/** An instance with `digest`, a slot of which waits for its jitter, as its tick has left it. */
async function waitingForJitter(cluster: TestCluster, probe: Probe) {
  const manager = await cluster.start([probe.worker('digest', rarely(), { policy: { catchUpWindowMs: 2 * DAY_MS } })])
  const [store, runs, slot] = [cluster.store(), cluster.queue('runs.default'), lastRareSlot()]
  const { record } = claimedRun(slot)
  const { runId, worker, kind } = record
  const options = { jobId: runId, deduplication: { id: worker }, delay: HOUR_MS, removeOnComplete: true }
  const job = await runs.add('run', { worker, kind, slot, missedSlots: 0 }, options)
  await cluster.setDecided(worker, slot - 1)
  await store.raiseDecided(worker, slot, record)
  expect((await store.read(worker)).waiting).toMatchObject({ runId })
  return { manager, store, runId, job, hasJob: async () => (await runs.getJob(runId)) !== undefined }
}

describe('a slot that waits for its jitter', () => {
  it('runs all the same when its worker could not be removed', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const { manager, runId, job } = await waitingForJitter(cluster, probe)
    using _ = vi.spyOn(Store.prototype, 'remove').mockRejectedValueOnce(new Error('Connection is closed.'))
    await expect(manager.remove('digest')).rejects.toMatchObject({ code: 'store-unavailable' })
    await job.promote()
    await untilOver(manager, runId)
    expect(probe.calls).toMatchObject([{ runId }])
  })

  it('is gone with its worker', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const { manager, store, hasJob } = await waitingForJitter(cluster, probe)
    expect(await manager.remove('digest')).toBe(true)
    expect([await hasJob(), await store.records('digest', undefined)]).toEqual([false, []])
  })

  it('does not run, and has no record, when its time comes while its worker is being removed', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const { manager, store, job, hasJob } = await waitingForJitter(cluster, probe)
    // oxlint-disable-next-line typescript/unbound-method -- it is called with its unstarted runs
    const { forget } = UnstartedRuns.prototype
    using _ = vi.spyOn(UnstartedRuns.prototype, 'forget').mockImplementationOnce(async function (
      this: UnstartedRuns,
      stored,
    ) {
      await job.promote()
      await until('its job is done', async () => !(await hasJob()))
      await forget.call(this, stored)
    })
    expect(await manager.remove('digest')).toBe(true)
    const { active, waiting, startedUpTo, decidedUpTo } = await store.read('digest')
    expect([active, waiting, startedUpTo, decidedUpTo]).toEqual([undefined, undefined, undefined, undefined])
    expect([probe.calls, await store.records('digest', undefined)]).toEqual([[], []])
  })
})
