import { setTimeout as sleep } from 'node:timers/promises'
import type { IBackgroundWorkerManager } from '@background-workers/abstractions'
import { Redis } from 'ioredis'
import { installed } from './installed.ts'
import { usedHeap } from './measures/heap.ts'

/** What the process of one soak is told. */
export interface SoakSpec {
  readonly manager: 'default-manager' | 'bullmq-manager'
  readonly workers: number
  readonly periodMs: number
  readonly keepRuns: number
  readonly minutes: number
  readonly samples: number
  readonly redisUrl: string
}

/** What it says, a line of JSON for each sample. */
export interface SoakFigures {
  readonly minute: number
  readonly runs: number
  /** Since the sample before, in percent. */
  readonly slots: number
  readonly heapMb: number
  /** Timers, sockets and what else keeps a process alive. */
  readonly handles: number
  /** Of the first 20 workers. */
  readonly records: number
  readonly redisMb?: number
  readonly redisKeys?: number
}

const spec = JSON.parse(process.argv[2] ?? '') as SoakSpec
const { every, periodicWorker } = await installed<typeof import('@background-workers/abstractions')>(
  '@background-workers/abstractions',
)
const redis = spec.manager === 'bullmq-manager' ? new Redis(spec.redisUrl) : undefined
const manager = await createManager()
let runs = 0
for (let index = 0; index < spec.workers; index++) {
  await manager.add(
    periodicWorker({
      name: `worker-${index}`,
      schedule: every(spec.periodMs),
      policy: { keepRuns: spec.keepRuns },
      doWork: () => {
        runs++
      },
    }),
  )
}
await manager.start()
const startedAt = performance.now()
const sampleMs = (spec.minutes * 60_000) / spec.samples
let runsBefore = 0
let before = startedAt
for (let sample = 1; sample <= spec.samples; sample++) {
  await sleep(startedAt + sample * sampleMs - performance.now())
  const now = performance.now()
  const expected = ((now - before) / spec.periodMs) * spec.workers
  const slots = (100 * (runs - runsBefore)) / expected
  runsBefore = runs
  before = now
  const figures: SoakFigures = {
    minute: (now - startedAt) / 60_000,
    runs,
    slots,
    heapMb: usedHeap() / 2 ** 20,
    handles: process.getActiveResourcesInfo().length,
    records: await countRecords(),
    ...(redis && { redisMb: await redisMb(redis), redisKeys: await redis.dbsize() }),
  }
  console.log(JSON.stringify(figures))
}
await manager.stop()
redis?.disconnect()

async function createManager(): Promise<IBackgroundWorkerManager> {
  if (spec.manager === 'default-manager') {
    const { DefaultBackgroundWorkerManager } = await installed<typeof import('@background-workers/default-manager')>(
      '@background-workers/default-manager',
    )
    return new DefaultBackgroundWorkerManager()
  }
  const { BullMqBackgroundWorkerManager } = await installed<typeof import('@background-workers/bullmq-manager')>(
    '@background-workers/bullmq-manager',
  )
  return new BullMqBackgroundWorkerManager({ applicationName: 'soak', connection: spec.redisUrl })
}

async function countRecords(): Promise<number> {
  const lists = await Promise.all(Array.from({ length: 20 }, (_, index) => manager.runs(`worker-${index}`)))
  return lists.flat().length
}

async function redisMb(client: Redis): Promise<number> {
  const [, bytes] = /used_memory:(\d+)/.exec(await client.info('memory')) ?? []
  return Number(bytes) / 2 ** 20
}
