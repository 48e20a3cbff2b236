import { cron } from '@background-workers/abstractions'
import { Queue } from 'bullmq'
import { expect, it } from 'vitest'
import { repeatStrategy } from '../src/schedulers.ts'
import { TestCluster } from './fixtures/cluster.ts'
import { Probe } from './fixtures/probe.ts'

const WORKERS = 1_000
const SCHEDULE = cron('0 0 29 2 *')

it('starting with 1,000 unchanged cron workers is at least five times faster than upserting each', async () => {
  await using cluster = await TestCluster.open()
  const first = await cluster.start(crons())
  await first.stop()
  const startMs: number[] = []
  const upsertMs: number[] = []
  for (let round = 0; round < 5; round++) {
    const manager = cluster.instance()
    for (const worker of crons()) await manager.add(worker)
    startMs.push(await timed(() => manager.start()))
    await manager.stop()
    upsertMs.push(await timed(() => upsertEach(cluster)))
  }
  console.info(`start ${startMs.map(Math.round).join(' ')} ms, upserts ${upsertMs.map(Math.round).join(' ')} ms`)
  expect(Math.min(...upsertMs) / Math.min(...startMs)).toBeGreaterThanOrEqual(5)
}, 180_000)

function crons() {
  return Array.from({ length: WORKERS }, (_, index) => new Probe().worker(`cron-${index}`, SCHEDULE))
}

/** The way without comparing first: what the manager writes for each worker when it is new. */
async function upsertEach(cluster: TestCluster): Promise<void> {
  const queue = new Queue('upserts', {
    connection: cluster.redis as never,
    prefix: cluster.key('').slice(0, -1),
    settings: { repeatStrategy },
  } as ConstructorParameters<typeof Queue>[1])
  for (let index = 0; index < WORKERS; index++) {
    await queue.upsertJobScheduler(`cron-${index}`, { pattern: SCHEDULE.expression, tz: SCHEDULE.timeZone })
  }
  await queue.close()
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now()
  await work()
  return performance.now() - startedAt
}
