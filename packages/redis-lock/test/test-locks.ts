import type { IDistributedLock, LockHold, SlotToClaim } from '@background-workers/abstractions'
import { Redis, type RedisOptions } from 'ioredis'
import { freshApplicationName, removeApplication } from 'test-redis'
import { expect, vi } from 'vitest'
import type { RedisLockOptions } from '../src/options.ts'
import { RedisDistributedLock } from '../src/redis-distributed-lock.ts'

/** The locks of one test, and an eye on Redis. Dispose it: nothing is left. */
export class TestLocks implements AsyncDisposable {
  readonly url: string
  readonly applicationName = freshApplicationName()
  readonly redis: Redis
  readonly #locks: RedisDistributedLock[] = []
  readonly #clients: Redis[] = []

  constructor(url: string) {
    this.url = url
    this.redis = this.createClient()
  }

  create(options: Partial<RedisLockOptions> = {}): RedisDistributedLock {
    const { applicationName, url: connection } = this
    const lock = new RedisDistributedLock({ connection, applicationName, disposeTimeoutMs: 0, ...options })
    this.#locks.push(lock)
    return lock
  }

  /** A client of the caller's, on this Redis or on a proxy before it. */
  createClient(url = this.url, options: Pick<RedisOptions, 'maxRetriesPerRequest'> = {}): Redis {
    const client = new Redis(url, { disconnectTimeout: 100, ...options })
    client.on('error', () => {})
    this.#clients.push(client)
    return client
  }

  async keys(): Promise<string[]> {
    return (await this.redis.keys(`{${this.applicationName}}:*`)).sort()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#locks.map((lock) => lock[Symbol.asyncDispose]()))
    for (const client of this.#clients) client.disconnect()
    await removeApplication(this.url, this.applicationName)
  }
}

/** The lock of `sweep`, which nobody holds. */
export async function hold(lock: IDistributedLock, runId: string, slot?: SlotToClaim): Promise<LockHold> {
  const answer = await lock.acquire({ worker: 'sweep', runId, ...(slot && { slot }) })
  if (answer.kind !== 'held') throw new Error(`${runId} is refused: ${JSON.stringify(answer)}`)
  return answer
}

/** Waits for a fact. */
export async function until(fact: () => unknown): Promise<void> {
  await vi.waitUntil(fact, { timeout: 60_000, interval: 10 })
}

/** Waits until the lock of `sweep` is got. */
export async function untilHeld(lock: IDistributedLock, runId: string): Promise<LockHold> {
  let answer = await lock.acquire({ worker: 'sweep', runId })
  while (answer.kind === 'refused') {
    await new Promise((resolve) => setTimeout(resolve, 10))
    answer = await lock.acquire({ worker: 'sweep', runId })
  }
  expect(answer.kind).toBe('held')
  return answer
}
