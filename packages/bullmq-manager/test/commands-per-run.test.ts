import { every } from '@background-workers/abstractions'
import { expect, it } from 'vitest'
import { TestCluster } from './fixtures/cluster.ts'
import { ownRedis } from './fixtures/fault-manager.ts'
import { Probe } from './fixtures/probe.ts'
import { until } from './fixtures/until.ts'

const WORKERS = 50
const RUNS = 500

// Counted by a Redis of the test's own, those inside scripts too. BullMQ alone takes 50 for a scheduled job, without overlap
// guard, decision and record; the least that guards, one queue of ticks and one of runs, takes 100;
// ours takes 110 to 115 (`npm run bench`). The rest is room for polls between runs.
it('a run takes less than 130 Redis commands, its tick, decision and record included', async (test) => {
  const redis = await ownRedis(test)
  await using cluster = await TestCluster.open(redis.url)
  const probe = new Probe()
  await cluster.start(
    Array.from({ length: WORKERS }, (_, index) =>
      probe.worker(`worker-${index}`, every('1s', { offset: 1 + index * 19 })),
    ),
  )
  // What a first run costs more is not counted.
  await until('each worker runs', () => probe.calls.length >= 2 * WORKERS)
  const [callsBefore, commandsBefore] = [probe.calls.length, await cluster.countCommands()]
  await until('many runs have come', () => probe.calls.length >= callsBefore + RUNS)
  const runs = probe.calls.length - callsBefore
  const perRun = ((await cluster.countCommands()) - commandsBefore) / runs
  // Less would mean that this counts nothing.
  expect(perRun).toBeGreaterThan(50)
  expect(perRun).toBeLessThan(130)
})
