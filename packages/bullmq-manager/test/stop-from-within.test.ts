import { expect, it } from 'vitest'
import { TestCluster, rarely } from './fixtures/cluster.ts'
import { ownRedis } from './fixtures/fault-manager.ts'
import { Probe } from './fixtures/probe.ts'
import { stallRun } from './fixtures/stall-run.ts'
import { until } from './fixtures/until.ts'

it('a run that stops the manager itself ends with the stop, and is not run again with onCrash recover', async (test) => {
  const redis = await ownRedis(test)
  await using cluster = await TestCluster.open(redis.url)
  const probe = new Probe()
  const reasons: unknown[] = []
  const worker = probe.worker('last-one', rarely(), {
    policy: { onCrash: 'recover' },
    async doWork({ signal }) {
      await first.stop()
      reasons.push(signal.reason)
    },
  })
  const first = await cluster.start([worker])
  const runId = await first.trigger('last-one')
  await until('it has stopped the manager', () => reasons.length)
  expect(reasons).toMatchObject([{ code: 'manager-stopped' }])

  const second = await cluster.start([worker])
  expect(await second.runs('last-one')).toMatchObject([{ runId, outcome: 'aborted', reason: 'stop' }])
  await stallRun(redis, cluster.applicationName, runId)
  await cluster.runsSettle()
  expect(await second.runs('last-one')).toMatchObject([{ runId, outcome: 'aborted', reason: 'stop' }])
  expect(probe.calls.map((call) => call.runId)).toEqual([runId])
  expect(await second.get('last-one')).toMatchObject({ state: 'idle', consecutiveFailures: 0 })
})
