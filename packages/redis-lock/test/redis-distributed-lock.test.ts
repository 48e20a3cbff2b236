import { StoreUnavailableError } from '@background-workers/abstractions'
import { sharedRedis } from 'test-redis'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { TestLocks, hold, slot, slotRun, until, untilHeld } from './fixtures/test-locks.ts'

const { url } = await sharedRedis()

let locks: TestLocks
beforeEach(() => {
  locks = new TestLocks(url)
})
afterEach(() => locks[Symbol.asyncDispose]())

describe('the keys', () => {
  it('begin with the application, and expire: the lock with its lease, the claim slotClaimTtlMs after its window', async () => {
    const lock = locks.create({ slotClaimTtlMs: 50_000 })
    const held = await hold(lock, slotRun, slot)
    const { applicationName, redis } = locks
    const [claimKey, lockKey] = [`{${applicationName}}:claim:sweep:${slot.dueAt}`, `{${applicationName}}:lock:sweep`]
    expect(await locks.keys()).toEqual([claimKey, lockKey])
    expect(await redis.get(lockKey)).toMatch(new RegExp(`^${slotRun}#1#`))
    const [claimMs, lockMs] = [await redis.pttl(claimKey), await redis.pttl(lockKey)]
    expect(claimMs).toBeGreaterThan(20_000)
    expect(claimMs).toBeLessThanOrEqual(80_000)
    expect(lockMs).toBeGreaterThan(0)
    expect(lockMs).toBeLessThanOrEqual(20_000)
    await held.release()
    expect(await locks.keys()).toEqual([claimKey])
  })
})

it('a Redis that its sentinels do not find is named by its master', async () => {
  const sentinels = [{ host: '127.0.0.1', port: 1 }]
  const connection = { sentinels, name: 'mymaster', sentinelRetryStrategy: () => null }
  const lock = locks.create({ connection, commandTimeoutMs: 500 })
  await expect(hold(lock, 'sweep.m-1')).rejects.toThrow(
    'Redis at the master "mymaster" of its sentinels is not reachable, so nothing was sent',
  )
})

describe('dispose', () => {
  it('waits for the runs that hold a lock, and then refuses', async () => {
    const lock = locks.create({ disposeTimeoutMs: 60_000 })
    const held = await hold(lock, 'sweep.m-1')
    let isDisposed = false
    const disposed = lock[Symbol.asyncDispose]().then(() => {
      isDisposed = true
    })
    await locks.redis.ping()
    expect([isDisposed, held.signal.aborted]).toEqual([false, false])
    await expect(hold(lock, 'sweep.m-2')).rejects.toThrow('The Redis lock is disposed, so it locks nothing.')
    await held.release()
    await disposed
    expect(await locks.keys()).toEqual([])
  })

  it('tells the runs that it does not wait for, whose locks expire', async () => {
    const lock = locks.create({ disposeTimeoutMs: 1 })
    const held = await hold(lock, 'sweep.m-1')
    await Promise.all([lock[Symbol.asyncDispose](), lock[Symbol.asyncDispose]()])
    expect(held.signal.reason).toMatchObject({ code: 'lease-lost', cause: { message: 'The Redis lock was disposed.' } })
    expect(await locks.keys()).toHaveLength(1)
    await held.release()
  })

  it.each(['before', 'after'])(
    'does not wait for a run that nobody waits for, as is said %s it; its lock lasts for its lease',
    async (when) => {
      const lock = locks.create({ disposeTimeoutMs: 2 ** 31 - 1 })
      const held = await hold(lock, 'sweep.m-1')
      if (when === 'before') held.leave?.()
      const disposed = lock[Symbol.asyncDispose]()
      if (when === 'after') held.leave?.()
      await disposed
      expect(held.signal.aborted).toBe(false)
      expect(await locks.keys()).toHaveLength(1)
      await held.release()
    },
  )

  it('tells such a run when its lease is over', async () => {
    const lock = locks.create({ disposeTimeoutMs: 2 ** 31 - 1, lockTimeoutMs: 1_000 })
    const held = await hold(lock, 'sweep.m-1')
    held.leave?.()
    await lock[Symbol.asyncDispose]()
    await untilHeld(locks.create(), 'sweep.m-2')
    await new Promise((resolve) => setImmediate(resolve))
    expect(held.signal.reason).toMatchObject({ code: 'lease-lost', cause: { message: 'The Redis lock was disposed.' } })
  })

  it('does not wait for a lock that is not got', async () => {
    const client = locks.createClient()
    const lock = locks.create({ connection: client, disposeTimeoutMs: 2 ** 31 - 1 })
    const gate = Promise.withResolvers<null>()
    const set = vi.spyOn(client, 'set').mockReturnValueOnce(gate.promise as never)
    const asked = lock.acquire({ worker: 'sweep', runId: 'sweep.m-1' }).catch((thrown: unknown) => thrown)
    await until(() => set.mock.calls.length > 0)
    const disposed = lock[Symbol.asyncDispose]()
    gate.reject(new Error('Connection is closed.'))
    await disposed
    expect(await asked).toBeInstanceOf(StoreUnavailableError)
  })

  it('waits for a lock that is being taken, so that none is left behind', async () => {
    const client = locks.createClient()
    const lock = locks.create({ connection: client, disposeTimeoutMs: 60_000 })
    const get = vi.spyOn(client, 'eval')
    const asked = lock.acquire({ worker: 'sweep', runId: slotRun, slot })
    await until(() => get.mock.calls.length > 0)
    const disposed = lock[Symbol.asyncDispose]()
    const held = await asked
    if (held.kind === 'held') await held.release()
    await disposed
    expect([held.kind, await locks.keys()]).toEqual(['held', [expect.stringContaining(':claim:')]])
  })

  it('ends a lock that was never used', async () => {
    await expect(locks.create()[Symbol.asyncDispose]()).resolves.toBeUndefined()
  })
})
