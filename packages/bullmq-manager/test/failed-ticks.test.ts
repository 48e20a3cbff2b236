import { expect, it } from 'vitest'
import { HOUR_MS, TestCluster, lastRareSlot, rarely, untilOver } from './fixtures/cluster.ts'
import { Probe } from './fixtures/probe.ts'
import { until } from './fixtures/until.ts'

it('a tick that Redis refuses is processed again', async () => {
  await using cluster = await TestCluster.open()
  const slot = lastRareSlot()
  const policy = { catchUpWindowMs: 30 * 24 * HOUR_MS }
  const manager = await cluster.start([new Probe().worker('digest', rarely(), { policy })])
  await cluster.setDecided('digest', slot - 1)
  const ticks = cluster.queue('ticks')
  const [workers, kept] = [cluster.key('workers'), cluster.key('kept')]
  await cluster.redis.rename(workers, kept)
  await cluster.redis.set(workers, 'of another type')
  const jobId = `repeat:digest:${slot}`
  await ticks.add('tick', {}, { jobId, removeOnComplete: true })
  // Without a place among those that are processed at once: ticks that fail keep no other from running.
  await until('it waits to be processed again', async () => (await ticks.getJob(jobId))?.isDelayed() ?? false)
  await cluster.redis.rename(kept, workers)
  expect(await untilOver(manager, `digest.${slot}`)).toMatchObject({ outcome: 'succeeded' })
})
