import { Redis } from 'ioredis'

/** Opens a client for one use. */
export async function withRedis<T>(url: string, use: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(url, {
    lazyConnect: true,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
    // Else a timer keeps the process for 2 s.
    disconnectTimeout: 100,
  })
  // `connect` says only that it failed; why, comes here.
  let reason: Error | undefined
  redis.on('error', (error) => {
    reason = error
  })
  try {
    await redis.connect().catch((error: unknown) => {
      throw reason ?? error
    })
    return await use(redis)
  } finally {
    redis.disconnect()
  }
}

/** Which server answers, as in `Redis 7.0.15`. */
export async function readVersion(redis: Redis): Promise<string> {
  const info = await redis.info('server')
  const valkey = /valkey_version:(\S+)/.exec(info)?.[1]
  return valkey ? `Valkey ${valkey}` : `Redis ${/redis_version:(\S+)/.exec(info)?.[1]}`
}
