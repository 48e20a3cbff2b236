import { every } from '@background-workers/abstractions'
import { expect, it } from 'vitest'
import { TestCluster, listen } from './fixtures/cluster.ts'
import { ownRedis } from './fixtures/fault-manager.ts'
import { Probe } from './fixtures/probe.ts'
import { until } from './fixtures/until.ts'

const WORKERS = 50
const RUNS = 1_000

/** What BullMQ sends to look for a job where there is none: how often it does depends on how fast the machine is. */
const FETCH_IN_VAIN = ['evalsha', 'zrangebyscore', 'rpoplpush', 'zpopmin', 'zrange', 'hmget', 'del']

/** What an instance sends in a second in which nothing runs, beside those: its heartbeat, its watch for stalled jobs. */
const IDLE_PER_SECOND = 3

// Counted by a Redis of the test's own, those inside scripts too: 95.7 on a machine at rest. The
// bound fails when a run takes two more on a machine at rest. `npm run bench` counts the fetches in vain, too, and
// compares with BullMQ alone.
it('a run takes less than 98 Redis commands, its tick, decision and record included', async (test) => {
  const redis = await ownRedis(test)
  await using cluster = await TestCluster.open(redis.url)
  const probe = new Probe()
  const manager = await cluster.start(
    Array.from({ length: WORKERS }, (_, index) =>
      probe.worker(`worker-${index}`, every('1s', { offset: 1 + index * 19 })),
    ),
  )
  const skipped = listen(manager, 'run-skipped')
  const countSlots = () => probe.calls.length + skipped.length
  // What a first run costs more is not counted, nor are the looks at everything after a start: the second heartbeat's is
  // the last.
  await until('each worker runs', () => probe.calls.length >= 2 * WORKERS)
  await cluster.untilHeartbeats(2)

  const [startedAt, slotsBefore, before] = [performance.now(), countSlots(), await cluster.commandCalls()]
  await until('many runs have come', () => countSlots() >= slotsBefore + RUNS)
  const [seconds, slots, after] = [
    (performance.now() - startedAt) / 1_000,
    countSlots() - slotsBefore,
    await cluster.commandCalls(),
  ]
  const count = (name: string) => (after.get(name) ?? 0) - (before.get(name) ?? 0)

  // Each job that ends leaves the list of the active ones; a tick is one, and its run.
  const jobs = count('lrem')
  expect(Math.abs(jobs / slots - 2)).toBeLessThan(0.5)
  const inVain = FETCH_IN_VAIN.length * (count('rpoplpush') - jobs) + count('bzpopmin')
  const all = [...after.keys()].reduce((sum, name) => sum + count(name), 0)
  const perRun = (all - inVain - IDLE_PER_SECOND * seconds) / (jobs / 2)
  // Less would mean that this counts nothing.
  expect(perRun).toBeGreaterThan(50)
  expect(perRun).toBeLessThan(98)
})
