import { type SafeLogger, StoreUnavailableError } from '@background-workers/abstractions/for-managers'
import type { Keys } from './keys.ts'
import type { FilledOptions } from './options.ts'
import type { RedisClient } from './redis-client.ts'
import { DATA_VERSION } from './store.ts'

const MIN_REDIS_VERSION = [6, 2] as const

/** What is needed to check a Redis. */
export interface CheckRedisParts {
  readonly client: RedisClient
  readonly keys: Keys
  readonly options: Pick<FilledOptions, 'applicationName' | 'isEnabled'>
  readonly logger: SafeLogger
}

/**
 * Checks that this is a Redis with which our promises can be kept, and that the data in it is of our version.
 *
 * @throws StoreUnavailableError
 */
export async function checkRedis({ client, keys, options, logger }: CheckRedisParts): Promise<void> {
  const [info, dataVersion] = await Promise.all([client.info(), client.hget(keys.meta, 'data-version')])
  const version = /redis_version:(\d+)\.(\d+)/.exec(info)
  const [major, minor] = [Number(version?.[1]), Number(version?.[2])]
  if (major < MIN_REDIS_VERSION[0] || (major === MIN_REDIS_VERSION[0] && minor < MIN_REDIS_VERSION[1])) {
    throw new StoreUnavailableError(
      `start: Redis ${major}.${minor} is too old. Use Redis ${MIN_REDIS_VERSION.join('.')} or newer, or Valkey.`,
    )
  }
  const policy = /maxmemory_policy:(\S+)/.exec(info)?.[1]
  if (policy !== undefined && policy !== 'noeviction') {
    logger.warn(
      { policy },
      'Redis may evict keys: set maxmemory-policy to noeviction, or schedules and records can vanish',
    )
  }
  if (dataVersion === null) {
    if (options.isEnabled) await client.hset(keys.meta, 'data-version', DATA_VERSION)
  } else if (Number(dataVersion) !== DATA_VERSION) {
    throw new StoreUnavailableError(
      `start: the data of application "${options.applicationName}" in Redis has version ${dataVersion}, and this release reads ${DATA_VERSION}. Deploy the newer release, or use another applicationName.`,
    )
  }
}
