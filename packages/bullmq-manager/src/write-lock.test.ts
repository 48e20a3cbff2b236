import { Redis } from 'ioredis'
import { freshApplicationName, removeApplication, sharedRedis } from 'test-redis'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { Keys } from './keys.ts'
import type { RedisClient } from './redis-client.ts'
import { withWriteLock } from './write-lock.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** A client that has the lock, and what it renews. */
function clientOf() {
  const client = { status: 'ready', set: async () => 'OK', evalsha: vi.fn(async () => 1) }
  return { client, asRedis: client as unknown as RedisClient }
}

it('keeps the lock while there is work, and sends nothing while Redis is away', async () => {
  const { client, asRedis } = clientOf()
  const work = Promise.withResolvers<void>()
  const written = withWriteLock(asRedis, new Keys('shop'), () => work.promise)
  await vi.advanceTimersByTimeAsync(10_000)
  const renewals = client.evalsha.mock.calls.length
  expect(renewals).toBeGreaterThan(1)
  client.status = 'reconnecting'
  await vi.advanceTimersByTimeAsync(60_000)
  expect(client.evalsha).toHaveBeenCalledTimes(renewals)
  client.status = 'ready'
  await vi.advanceTimersByTimeAsync(10_000)
  expect(client.evalsha.mock.calls.length).toBeGreaterThan(renewals)
  work.resolve()
  expect(await written).toBe(true)
  expect(vi.getTimerCount()).toBe(0)
})

it('does not keep the process alive', async () => {
  vi.useRealTimers()
  const timers = () => process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length
  const before = timers()
  let during: number | undefined
  await withWriteLock(clientOf().asRedis, new Keys('shop'), async () => {
    during = timers()
  })
  expect(during).toBe(before)
})

it('neither keeps nor takes back a lock that another instance has taken since', async ({ onTestFinished }) => {
  vi.useRealTimers()
  const { url } = await sharedRedis()
  const [redis, application] = [new Redis(url), freshApplicationName()]
  onTestFinished(async () => {
    redis.disconnect()
    await removeApplication(url, application)
  })
  const keys = new Keys(application)
  await withWriteLock(redis, keys, async () => {
    await redis.set(keys.writeLock, 'of another', 'PX', 60_000)
    const sent = vi.spyOn(redis, 'evalsha')
    await expect.poll(() => sent.mock.results.length, { timeout: 20_000 }).toBe(1)
    await sent.mock.results[0]?.value.catch(() => {})
    expect(await redis.pttl(keys.writeLock)).toBeGreaterThan(10_000)
  })
  expect(await redis.get(keys.writeLock)).toBe('of another')
})
