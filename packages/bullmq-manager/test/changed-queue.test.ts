import assert from 'node:assert/strict'
import { describe, it } from 'vitest'
import { HOUR_MS, TestCluster, lastRareSlot, rarely, untilRecords } from './fixtures/cluster.ts'
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
      const policy = { catchUpWindowMs: 48 * HOUR_MS }
      await cluster.start([], { queues: formerQueues })
      const manager = await cluster.start([probe.worker('digest', rarely(), { policy })])
      await activeOnFormerQueue(cluster, isFinished ? 'finished' : 'running')
      if (isFinished) await doneOnFormerQueue(cluster)
      await cluster.setDecided('digest', slot - 1)
      await cluster.deliverTick('digest', slot)
      const records = await untilRecords(manager, 'digest', ([latest]) => latest?.outcome === 'succeeded')
      assert.deepEqual(
        records.map(({ runId, outcome }) => [runId, outcome]),
        // The record of one that is finished is not in this store.
        [[`digest.${slot}`, 'succeeded'], ...(isFinished ? [] : [['digest.m-1', 'lost']])],
      )
    })
  }

  it('is not triggered while its run waits on the former queue to be taken up', async () => {
    await using cluster = await TestCluster.open()
    await cluster.start([], { queues: ['former'] })
    const manager = await cluster.start([new Probe().worker('digest', rarely())])
    await activeOnFormerQueue(cluster, 'running')
    await cluster.queue('runs.former').add('run', {}, { jobId: 'digest.m-1', delay: HOUR_MS })
    await assert.rejects(manager.trigger('digest'), { code: 'worker-busy', activeRunId: 'digest.m-1' })
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
    await assert.rejects(latter.trigger('digest'), { code: 'worker-busy', activeRunId: runId })
    gate.resolve()
    await until('it may run again', () => latter.trigger('digest').catch(() => false))
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

/** BullMQ keeps the job, as that of a run that has failed. */
async function doneOnFormerQueue(cluster: TestCluster): Promise<void> {
  const job = await cluster.queue('runs.former').add('not ours', {}, { jobId: 'digest.m-1' })
  await until('BullMQ is done with it', () => job.isCompleted())
}
