import { cron } from '@background-workers/abstractions'
import { Queue } from 'bullmq'
import { expect, it } from 'vitest'
import { TestCluster } from './fixtures/cluster.ts'
import { Probe } from './fixtures/probe.ts'

const WORKERS = 1_000

/** Each has its own, as in an application. */
function scheduleOf(index: number) {
  return cron(`${index % 60} ${Math.floor(index / 60)} 29 2 *`)
}

// Measured on two cores: 21 times.
it('starting with 1,000 unchanged cron workers is several times faster than upserting each with BullMQ', async () => {
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
  const ratio = Math.min(...upsertMs) / Math.min(...startMs)
  console.info(`start ${show(startMs)} ms, upserts ${show(upsertMs)} ms, ${ratio.toFixed(1)} times`)
  expect(ratio).toBeGreaterThanOrEqual(5)
}, 180_000)

function crons() {
  return Array.from({ length: WORKERS }, (_, index) => new Probe().worker(`cron-${index}`, scheduleOf(index)))
}

/** What an application does that declares its schedulers at every start, with BullMQ as it is. */
async function upsertEach(cluster: TestCluster): Promise<void> {
  const queue = new Queue('upserts', {
    connection: cluster.redis as never,
    prefix: `{${cluster.applicationName}}`,
  } as ConstructorParameters<typeof Queue>[1])
  for (let index = 0; index < WORKERS; index++) {
    const { expression, timeZone } = scheduleOf(index)
    await queue.upsertJobScheduler(`cron-${index}`, { pattern: expression, tz: timeZone })
  }
  await queue.close()
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now()
  await work()
  return performance.now() - startedAt
}

function show(times: readonly number[]): string {
  return times.map(Math.round).join(' ')
}
