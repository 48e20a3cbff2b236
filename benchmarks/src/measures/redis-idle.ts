import { setTimeout as sleep } from 'node:timers/promises'
import { redisContestant } from '../adapters/redis.ts'
import { check } from './check.ts'
import { usedHeap } from './heap.ts'
import { type Measure, sizeOf } from './measure.ts'
import { RedisProbe } from './redis-probe.ts'

/** What workers cost while none is due. */
export function redisIdle(workers: number): Measure {
  return {
    name: `redis-idle-${workers}`,
    title: `Idle with ${workers.toLocaleString('en')} workers: commands sent, connections, heap`,
    figures: [
      { key: 'sent', title: 'commands', unit: '/s' },
      { key: 'connections', title: 'connections', unit: '' },
      { key: 'heap', title: 'heap', unit: 'MB' },
    ],
    contestants: ['bullmq-manager', 'bullmq', 'bullmq, queue per worker'],
    goals: [
      { contestant: 'bullmq-manager', figure: 'sent', atMost: 5 },
      { contestant: 'bullmq-manager', figure: 'connections', atMost: 3 },
      { contestant: 'bullmq-manager', figure: 'heap', atMost: 8 },
    ],
    needsRedis: true,
    full: { workers, seconds: 10 },
    ...(workers > 100 && { quick: { workers, seconds: 5 } }),
    sample: async (spec) => {
      const url = spec.redisUrl as string
      const probe = await RedisProbe.open(url)
      const jobs = Array.from({ length: workers }, (_, index) => ({
        name: `worker-${index}`,
        schedule: { cron: `${index % 60} 0 29 2 *` },
      }))
      const opened = await redisContestant(spec.contestant).open(jobs, { url, work: async () => {} })
      const heapBefore = usedHeap()
      await opened.start()
      await sleep(2_000)
      const heap = usedHeap() - heapBefore
      const connections = await probe.connections()
      const seconds = sizeOf(spec, 'seconds')
      const stopCounting = await probe.countSent()
      await sleep(seconds * 1_000)
      const sent = stopCounting() / seconds
      check(connections > 0 && sent > 0, 'it is connected and listens')
      await opened.stop()
      probe.close()
      return { sent, connections, heap: heap / 2 ** 20 }
    },
  }
}
