import { every } from '@background-workers/abstractions'
import { describe, expect, it } from 'vitest'
import { DAY_MS, HOUR_MS, TestCluster, lastRareSlot, rarely, untilOver, untilRecords } from './fixtures/cluster.ts'
import { Probe } from './fixtures/probe.ts'
import { until } from './fixtures/until.ts'

describe.concurrent('a worker whose queue has changed', () => {
  for (const [whose, formerQueues, isFinished] of [
    ['which nobody takes any more', [], false],
    ['where its job was removed by hand', ['former'], false],
    ['where BullMQ is done with its job', ['former'], true],
  ] as const) {
    it(`runs again when its run died on the former queue, ${whose}`, async () => {
      await using cluster = await TestCluster.open()
      const probe = new Probe()
      const slot = lastRareSlot()
      const policy = { catchUpWindowMs: 2 * DAY_MS }
      await cluster.start([], { queues: formerQueues })
      const manager = await cluster.start([probe.worker('digest', rarely(), { policy })])
      await activeOnFormerQueue(cluster, isFinished ? 'finished' : 'running')
      if (isFinished) await doneOnFormerQueue(cluster)
      await cluster.setDecided('digest', slot - 1)
      await cluster.deliverTick('digest', slot)
      const records = await untilRecords(manager, 'digest', ([latest]) => latest?.outcome === 'succeeded')
      // The record of one that is finished is not in this store.
      const lost = isFinished ? [] : [['digest.m-1', 'lost']]
      expect(records.map(({ runId, outcome }) => [runId, outcome])).toEqual([[`digest.${slot}`, 'succeeded'], ...lost])
    })
  }

  it('is not triggered while its run waits on the former queue to be taken up', async () => {
    await using cluster = await TestCluster.open()
    await cluster.start([], { queues: ['former'] })
    const manager = await cluster.start([new Probe().worker('digest', rarely())])
    await activeOnFormerQueue(cluster, 'running')
    await cluster.queue('runs.former').add('run', {}, { jobId: 'digest.m-1', delay: HOUR_MS })
    await expect(manager.trigger('digest')).rejects.toMatchObject({ code: 'worker-busy', activeRunId: 'digest.m-1' })
  })

  it('is not triggered while a run is active on the former queue', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const gate = Promise.withResolvers<void>()
    const work = { doWork: () => gate.promise }
    const former = await cluster.start([probe.worker('digest', rarely(), { policy: { queue: 'former' }, ...work })], {
      release: 1,
      queues: ['former'],
    })
    const runId = await former.trigger('digest')
    await until('it runs', () => probe.calls.length === 1)
    const latter = await cluster.start([probe.worker('digest', rarely(), work)], { release: 2 })
    await expect(latter.trigger('digest')).rejects.toMatchObject({ code: 'worker-busy', activeRunId: runId })
    gate.resolve()
    await until('it may run again', () => latter.trigger('digest').catch(() => false))
  })

  it('has its slots skipped with overlap while a run is active on its former queue', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const gate = Promise.withResolvers<void>()
    try {
      const old = await cluster.start([probe.worker('report', rarely(), { on: 'old', doWork: () => gate.promise })], {
        release: 1,
      })
      const runId = await old.trigger('report')
      await until('it runs', () => probe.calls.length === 1)

      const moved = await cluster.start(
        [probe.worker('report', every('1s'), { on: 'moved', policy: { queue: 'heavy' } })],
        { release: 2, queues: ['heavy'] },
      )
      const [skipped] = await untilRecords(moved, 'report', ([newest]) => newest?.outcome === 'skipped')
      expect(skipped).toMatchObject({ outcome: 'skipped', reason: 'overlap', blockedBy: runId })
      expect(probe.calls).toHaveLength(1)

      gate.resolve()
      await until('it runs on its new queue', () => probe.calls.some(({ on }) => on === 'moved'))
      expect(await untilOver(moved, runId)).toMatchObject({ outcome: 'succeeded' })
    } finally {
      gate.resolve()
    }
  })

  it('has one run at a time when one that was triggered waits for a place on its former queue', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const gate = Promise.withResolvers<void>()
    const workerOf = (queue: string) =>
      probe.worker('digest', rarely(), { policy: { queue }, doWork: () => gate.promise })
    try {
      const places = cluster.queue('runs.former')
      await places.pause()
      const old = await cluster.start([workerOf('former')], { release: 1, queues: ['former'] })
      const waiting = await old.trigger('digest')
      await old.stop()
      const moved = await cluster.start([workerOf('heavy')], { release: 2, queues: ['former', 'heavy'] })
      const runId = await moved.trigger('digest')
      await until('it runs', () => probe.calls.length === 1)
      await places.resume()
      await until('the other was put off', async () => probe.calls.length > 1 || (await places.getDelayedCount()) > 0)
      expect(probe.calls.map((call) => call.runId)).toEqual([runId])
      gate.resolve()
      for (const id of [runId, waiting]) expect(await untilOver(moved, id)).toMatchObject({ outcome: 'succeeded' })
      expect(probe.calls.map((call) => call.runId)).toEqual([runId, waiting])
    } finally {
      gate.resolve()
    }
  })

  for (const whose of ['that takes it', 'that takes no queue']) {
    it(`can have a run cancelled that waits on its former queue, by an instance ${whose}`, async () => {
      await using cluster = await TestCluster.open()
      const probe = new Probe()
      const workerOf = (queue: string) => probe.worker('digest', rarely(), { policy: { queue } })
      await cluster.queue('runs.former').pause()
      const old = await cluster.start([workerOf('former')], { release: 1, queues: ['former'] })
      const runId = await old.trigger('digest')
      await old.stop()
      const moved = await cluster.start([workerOf('heavy')], { release: 2, queues: ['former', 'heavy'] })
      const asked = whose === 'that takes it' ? moved : await cluster.start([], { release: 2, queues: [] })
      expect(await asked.cancel(runId)).toBe(true)
      expect(await untilOver(moved, runId)).toMatchObject({ outcome: 'aborted', reason: 'cancelled' })
      expect(probe.calls).toEqual([])
    })
  }

  it('has a slot skipped that waits on its former queue, though its tick has seen nothing in its way', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const gate = Promise.withResolvers<void>()
    const slot = lastRareSlot()
    try {
      const moved = await cluster.start(
        [probe.worker('digest', rarely(), { policy: { queue: 'heavy' }, doWork: () => gate.promise })],
        { queues: ['former', 'heavy'] },
      )
      await cluster.setDecided('digest', slot - 1)
      const blockedBy = await moved.trigger('digest')
      await until('it runs', () => probe.calls.length === 1)
      const seen = { decidedUpTo: slot - 1 }
      const data = { worker: 'digest', kind: 'scheduled', slot, missedSlots: 0, seen }
      await cluster.queue('runs.former').add('run', data, { jobId: `digest.${slot}`, removeOnComplete: true })
      expect(await untilOver(moved, `digest.${slot}`)).toMatchObject({
        outcome: 'skipped',
        reason: 'overlap',
        blockedBy,
      })
    } finally {
      gate.resolve()
    }
  })

  it('runs all the same when what is stored of a run on its former queue can not be read', async () => {
    await using cluster = await TestCluster.open()
    const manager = await cluster.start([new Probe().worker('digest', rarely())])
    await cluster.redis.hset(cluster.key('workers'), 'active:digest', 'former/dead/1\nrunning\n{')
    expect(await untilOver(manager, await manager.trigger('digest'))).toMatchObject({ outcome: 'succeeded' })
  })
})

/** A run of an instance that has died. */
async function activeOnFormerQueue(cluster: TestCluster, state: 'running' | 'finished'): Promise<void> {
  const record = {
    runId: 'digest.m-1',
    worker: 'digest',
    kind: 'manual',
    scheduledFor: new Date(),
    startedAt: new Date(),
    attempts: 1,
    instanceId: 'dead',
  }
  const active = `former/dead/1\n${state}\n${JSON.stringify(record)}`
  await cluster.redis.hset(cluster.key('workers'), 'active:digest', active)
}

/** BullMQ is done with the job and still has it, as it has that of a run that failed. */
async function doneOnFormerQueue(cluster: TestCluster): Promise<void> {
  const job = await cluster.queue('runs.former').add('not ours', {}, { jobId: 'digest.m-1' })
  await until('BullMQ is done with it', () => job.isCompleted())
}
