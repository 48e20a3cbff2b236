import { InvalidOptionsError } from '@background-workers/abstractions'
import { Cluster, Redis } from 'ioredis'
import { describe, expect, it } from 'vitest'
import { type RedisLockOptions, fillOptions } from './options.ts'

const connection = 'redis://127.0.0.1:6379'

describe('the options of the Redis lock', () => {
  it('have defaults', () => {
    expect(fillOptions({ connection })).toEqual({
      connection,
      applicationName: 'application',
      lockTimeoutMs: 20_000,
      refreshIntervalMs: 6_667,
      slotClaimTtlMs: 600_000,
      commandTimeoutMs: 5_000,
      disposeTimeoutMs: 35_000,
      logger: undefined,
    })
  })

  it('are not given where they are undefined', () => {
    const none = {
      applicationName: undefined,
      lockTimeoutMs: undefined,
      refreshIntervalMs: undefined,
      slotClaimTtlMs: undefined,
      commandTimeoutMs: undefined,
      disposeTimeoutMs: undefined,
      logger: undefined,
    } satisfies Record<Exclude<keyof RedisLockOptions, 'connection'>, undefined>
    expect(fillOptions({ connection, ...none })).toEqual(fillOptions({ connection }))
  })

  it('follow a short lease', () => {
    expect(fillOptions({ connection, lockTimeoutMs: 2_000 })).toMatchObject({
      refreshIntervalMs: 667,
      commandTimeoutMs: 500,
    })
  })

  it.each<[object, string]>([
    [{}, '"connection" must be a redis:// URL, ioredis options or an ioredis client, got undefined.'],
    [
      { connection: 'localhost' },
      '"connection" must be a redis:// URL, ioredis options or an ioredis client, got "localhost".',
    ],
    [{ connection: [] }, '"connection" must be a redis:// URL, ioredis options or an ioredis client, got an array.'],
    [
      { connection: new URL(connection) },
      '"connection" must be a redis:// URL, ioredis options or an ioredis client, got a URL object. Pass its href.',
    ],
    [
      { connection: Promise.resolve(connection) },
      '"connection" must be a redis:// URL, ioredis options or an ioredis client, got a promise. Await it.',
    ],
    [
      { connection: { isOpen: false, isReady: false, duplicate: () => undefined } },
      '"connection" must be a redis:// URL, ioredis options or an ioredis client, got a client of another package. Make it with ioredis.',
    ],
    [{ connection, applicationName: 'My App' }, '"applicationName" must be 1 to 100 of a-z'],
    [{ connection, lockTimeoutMs: 999 }, '"lockTimeoutMs" must be a whole number of ms from 1000'],
    [
      { connection, refreshIntervalMs: 8_001 },
      '"refreshIntervalMs" must be at most two fifths of lockTimeoutMs (8000 ms), or one late answer loses a lock.',
    ],
    [
      { connection, commandTimeoutMs: 6_667 },
      '"commandTimeoutMs" must be below 6667 ms where lockTimeoutMs is 20000 ms and refreshIntervalMs 6667 ms, or one late answer loses a lock.',
    ],
    [
      { connection, refreshIntervalMs: 1_000, commandTimeoutMs: 15_000 },
      '"commandTimeoutMs" must be below 15000 ms where lockTimeoutMs is 20000 ms and refreshIntervalMs 1000 ms',
    ],
    [{ connection, slotClaimTtlMs: -1 }, '"slotClaimTtlMs" must be a whole number of ms from 0'],
    [{ connection, disposeTimeoutMs: 0.5 }, '"disposeTimeoutMs" must be a whole number of ms from 0'],
    [{ connection, logger: {} }, '"logger" must have the method debug(), info(), warn(), error().'],
    [{ connection, lockTimeout: 5 }, 'unknown option "lockTimeout". Known are: connection, applicationName'],
  ])('refuse %j', (options, message) => {
    expect(() => fillOptions(options as never)).toThrow(InvalidOptionsError)
    expect(() => fillOptions(options as never)).toThrow(`RedisDistributedLock: ${message}`)
  })

  it('take ioredis options, and clients that ioredis makes', () => {
    const node = { host: '127.0.0.1' }
    for (const given of [node, new Redis({ lazyConnect: true }), new Cluster([node], { lazyConnect: true })]) {
      expect(fillOptions({ connection: given }).connection).toBe(given)
    }
  })
})
