import assert from 'node:assert/strict'
import { distributedLockContract } from '@background-workers/abstractions/testing'
import { Redis } from 'ioredis'
import { removeApplication, sharedRedis } from 'test-redis'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { RedisDistributedLock } from '../src/redis-distributed-lock.ts'

const { url } = await sharedRedis()
// Long enough for a machine that is busy.
const LEASE_MS = 4_000

describe.each(['a URL', 'ioredis options', 'a client'])('distributedLockContract on Redis, with %s', (kind) => {
  const client = new Redis(url, { lazyConnect: true, disconnectTimeout: 100 })
  beforeAll(async () => client.connect())
  afterAll(() => client.disconnect())

  const { hostname: host, port } = new URL(url)
  distributedLockContract({
    runner: { describe, it },
    createLock: ({ applicationName, slotClaimTtlMs }) =>
      new RedisDistributedLock({
        connection:
          kind === 'a URL' ? url : kind === 'a client' ? client : { host, port: Number(port), disconnectTimeout: 100 },
        applicationName,
        slotClaimTtlMs,
        lockTimeoutMs: LEASE_MS,
        // Often, so that a loss is noticed soon.
        refreshIntervalMs: 250,
      }),
    lose: async (_lock, worker, { applicationName }) => {
      assert.equal(await client.del(`{${applicationName}}:lock:${worker}`), 1)
    },
    leaseMs: LEASE_MS,
    cleanUp: async (lock, { applicationName }) => {
      await lock[Symbol.asyncDispose]()
      await removeApplication(url, applicationName)
    },
  })
})
