import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { Keys } from './keys.ts'
import type { RedisClient } from './redis-client.ts'
import { withWriteLock } from './write-lock.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** A client that has the lock, and what it renews. */
function clientOf() {
  const client = {
    status: 'ready',
    set: async () => 'OK',
    pexpire: vi.fn(async () => 1),
    evalsha: async () => 1,
  }
  return { client, asRedis: client as unknown as RedisClient }
}

it('keeps the lock while there is work, and sends nothing while Redis is away', async () => {
  const { client, asRedis } = clientOf()
  const work = Promise.withResolvers<void>()
  const written = withWriteLock(asRedis, new Keys('shop'), () => work.promise)
  await vi.advanceTimersByTimeAsync(10_000)
  const renewals = client.pexpire.mock.calls.length
  expect(renewals).toBeGreaterThan(1)
  client.status = 'reconnecting'
  await vi.advanceTimersByTimeAsync(60_000)
  expect(client.pexpire).toHaveBeenCalledTimes(renewals)
  client.status = 'ready'
  await vi.advanceTimersByTimeAsync(10_000)
  expect(client.pexpire.mock.calls.length).toBeGreaterThan(renewals)
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
