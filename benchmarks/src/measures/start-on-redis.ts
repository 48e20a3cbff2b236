import { redisContestant } from '../adapters/redis.ts'
import { Redis } from 'ioredis'
import { check } from './check.ts'
import { type Measure, type SampleSpec, sizeOf } from './measure.ts'

const figures = [{ key: 'time', title: 'time', unit: 'ms' }] as const
/** Ways to upsert them all; of many, only the one that is the best or next to it, as the others take minutes. */
function loopsOf(workers: number): string[] {
  return workers <= 1_000 ? ['bullmq', 'bullmq, one by one', 'bullmq, all at once'] : ['bullmq']
}

/** A deploy that changes nothing: what it takes to start again. */
export function startUnchanged(workers: number): Measure {
  const loops = loopsOf(workers)
  return {
    name: `redis-start-${workers}`,
    title: `Start with ${workers.toLocaleString('en')} unchanged cron workers`,
    figures,
    contestants: ['bullmq-manager', ...loops, 'compare first (limit)', 'floor of a start'],
    goals: [{ contestant: 'bullmq-manager', figure: 'time', beside: loops, atMost: 1 / 6 }],
    needsRedis: true,
    full: { workers },
    ...(workers <= 1_000 && { quick: { workers } }),
    // A process of its own, so that the start that is measured is as cold as a deploy.
    prepare: async (spec) => {
      await start(spec)
    },
    sample: async (spec) => ({ time: await start(spec) }),
  }
}

/** What it takes to declare workers for the first time. */
export function startFirst(workers: number): Measure {
  return {
    name: `redis-first-${workers}`,
    title: `First registration of ${workers.toLocaleString('en')} cron workers`,
    figures,
    contestants: ['bullmq-manager', ...loopsOf(workers)],
    goals: [{ contestant: 'bullmq-manager', figure: 'time', beside: ['bullmq'], atMost: 1.5 }],
    needsRedis: true,
    full: { workers },
    ...(workers <= 1_000 && { quick: { workers } }),
    sample: async (spec) => ({ time: await start(spec) }),
  }
}

async function start(spec: SampleSpec): Promise<number> {
  const workers = sizeOf(spec, 'workers')
  const url = spec.redisUrl as string
  const jobs = Array.from({ length: workers }, (_, index) => ({
    name: `worker-${index}`,
    schedule: { cron: `${index % 60} ${Math.floor(index / 60) % 24} ${1 + (Math.floor(index / 1_440) % 28)} 2 *` },
  }))
  const opened = await redisContestant(spec.contestant).open(jobs, { url, work: async () => {} })
  const startedAt = performance.now()
  await opened.start()
  const elapsedMs = performance.now() - startedAt
  await checkSchedulers(url, workers)
  await opened.stop()
  return elapsedMs
}

/** Each worker has its scheduler, with a time in the future. */
async function checkSchedulers(url: string, workers: number): Promise<void> {
  const client = new Redis(url)
  const keys = (await client.keys('*')).filter((key) => key.endsWith(':repeat'))
  const counts = await Promise.all(keys.map((key) => client.zcount(key, Date.now(), '+inf')))
  client.disconnect()
  const count = counts.reduce((sum, one) => sum + one, 0)
  check(count === workers, `there are ${count} schedulers for ${workers} workers`)
}
