import type { TestProject } from 'vitest/node'
import { findRedisServer } from './find-redis-server.ts'
import { installRedisServer } from './install-redis-server.ts'
import { provideRedis } from './shared-redis.ts'

/** Gives a vitest project a Redis: as `inject('redisUrl')`, and as `REDIS_URL` for the child processes of tests. */
export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  const before = process.env.REDIS_URL
  const redis = await provideRedis()
  // Some tests break a server of their own, for which neither REDIS_URL nor Docker will do.
  if (!findRedisServer()) await installRedisServer()
  project.provide('redisUrl', redis.url)
  process.env.REDIS_URL = redis.url
  return async () => {
    if (before === undefined) delete process.env.REDIS_URL
    else process.env.REDIS_URL = before
    await redis.stop()
  }
}
