import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type RedisLockOptions, fillOptions } from './options.ts'
import { type MutexClient, WorkerMutex } from './worker-mutex.ts'

describe('a lock of which one renewal gets no answer', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  it.each<Omit<RedisLockOptions, 'connection'>>([
    {},
    { refreshIntervalMs: 8_000 },
    { refreshIntervalMs: 8_000, commandTimeoutMs: 7_999 },
    { commandTimeoutMs: 6_666 },
    { refreshIntervalMs: 1_000, commandTimeoutMs: 14_999 },
  ])('is kept with %j', async (options) => {
    const filled = fillOptions({ connection: 'redis://127.0.0.1:6379', ...options })
    const renew = vi.fn(async () => 1)
    renew.mockImplementationOnce(() => failAfter(filled.commandTimeoutMs))
    const client = { set: async () => 'OK', eval: renew, evalsha: renew }
    const lost = vi.fn()
    const { lockTimeoutMs, refreshIntervalMs } = filled
    const parts = { key: 'lock', identifier: 'run', lockTimeoutMs, refreshIntervalMs, lost }
    const mutex = new WorkerMutex({ client: client as unknown as MutexClient, ...parts })
    await mutex.take()
    await vi.advanceTimersByTimeAsync(lockTimeoutMs)
    expect(lost).not.toHaveBeenCalled()
    await mutex.release()
  })
})

function failAfter(ms: number): Promise<never> {
  return new Promise((_, reject) => {
    setTimeout(() => reject(new Error('did not answer')), ms)
  })
}
