import assert from 'node:assert/strict'
import { describe, it } from 'vitest'
import { HOUR_MS, TestCluster, lastRareSlot, rarely, untilRecords } from './fixtures/cluster.ts'
import { Probe } from './fixtures/probe.ts'
import { until } from './fixtures/until.ts'

describe.concurrent('a worker whose queue has changed', () => {
  it('runs again when its run died on the former queue, which nobody takes any more', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const slot = lastRareSlot()
    const policy = { catchUpWindowMs: 48 * HOUR_MS }
    const manager = await cluster.start([probe.worker('digest', rarely(), { policy })])
    const record = {
      runId: 'digest.m-1',
      worker: 'digest',
      kind: 'manual',
      scheduledFor: new Date(),
      startedAt: new Date(),
      attempts: 1,
      instanceId: 'dead',
    }
    await cluster.redis.hset(
      cluster.key('workers'),
      'active:digest',
      `former/dead/1\nrunning\n${JSON.stringify(record)}`,
    )
    await cluster.setDecided('digest', slot - 1)
    await cluster.deliverTick('digest', slot)
    const records = await untilRecords(manager, 'digest', ([latest]) => latest?.outcome === 'succeeded')
    assert.deepEqual(
      records.map(({ runId, outcome }) => [runId, outcome]),
      [
        [`digest.${slot}`, 'succeeded'],
        ['digest.m-1', 'lost'],
      ],
    )
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
