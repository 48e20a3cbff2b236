import { Redis } from 'ioredis'
import { check } from './check.ts'
import { type Measure, sizeOf } from './measure.ts'

const SCRIPT = 'return redis.call("incr", KEYS[1])'

/** A limit: what one script that does next to nothing costs, which is what each decision is at least. */
export const redisRoundTrips: Measure = {
  name: 'redis-round-trips',
  title: 'EVALSHA round trips (limit)',
  figures: [{ key: 'rate', title: 'round trips', unit: '/s' }],
  contestants: ['one at a time', '50 at a time'],
  goals: [],
  needsRedis: true,
  full: { trips: 50_000 },
  quick: { trips: 10_000 },
  sample: async (spec) => {
    const atATime = spec.contestant === 'one at a time' ? 1 : 50
    const trips = sizeOf(spec, 'trips')
    const client = new Redis(spec.redisUrl as string)
    const sha = (await client.script('LOAD', SCRIPT)) as string
    let left = trips
    const goOn = async () => {
      while (left-- > 0) await client.evalsha(sha, 1, 'count')
    }
    const startedAt = performance.now()
    await Promise.all(Array.from({ length: atATime }, goOn))
    const elapsedMs = performance.now() - startedAt
    check(Number(await client.get('count')) === trips, 'each has been carried out')
    client.disconnect()
    return { rate: (trips * 1_000) / elapsedMs }
  },
}
