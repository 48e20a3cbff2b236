import { StoreUnavailableError, every, periodicWorker } from '@background-workers/abstractions'
import { ManualClock, RecordingLogger } from '@background-workers/abstractions/testing'
import { DefaultBackgroundWorkerManager } from '@background-workers/default-manager'
import type { Redis } from 'ioredis'
import { TestProcess } from 'test-process'
import { type RedisServer, type TcpProxy, sharedRedis, startRedis, startTcpProxy } from 'test-redis'
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { TestLocks, hold, slot, slotRun, until, untilHeld } from './fixtures/test-locks.ts'

const { url } = await sharedRedis()

let locks: TestLocks
beforeEach(() => {
  locks = new TestLocks(url)
})
afterEach(() => locks[Symbol.asyncDispose]())

describe('an answer that is lost', () => {
  let client: Redis
  beforeEach(() => {
    client = locks.createClient()
  })

  /** The next such commands are carried out, and their answer does not come. */
  function loseAnswers(command: 'set' | 'eval' | 'evalsha', times = 1): void {
    const original = client[command].bind(client) as (...args: unknown[]) => Promise<unknown>
    const spy = vi.spyOn(client, command)
    for (let time = 0; time < times; time++) {
      spy.mockImplementationOnce((async (...args: unknown[]) => {
        await original(...args)
        throw new Error('Connection is closed.')
      }) as never)
    }
  }

  it('of a lock leaves none behind', async () => {
    const [lock, other] = [locks.create({ connection: client }), locks.create()]
    loseAnswers('set')
    await expect(hold(lock, 'sweep.m-1')).rejects.toThrow(StoreUnavailableError)
    await untilHeld(other, 'sweep.m-2')
  })

  it('of a lock does not refuse the same run when it asks again, its slot included', async () => {
    const lock = locks.create({ connection: client })
    loseAnswers('set')
    await expect(hold(lock, slotRun, slot)).rejects.toThrow(StoreUnavailableError)
    await hold(lock, slotRun, slot)
  })

  it('of a lock, and of what would give it back, leaves one that its own process removes', async () => {
    const [lock, other] = [locks.create({ connection: client }), locks.create()]
    loseAnswers('set')
    const evalsha = vi.spyOn(client, 'evalsha').mockRejectedValueOnce(new Error('Connection is closed.'))
    await expect(hold(lock, slotRun, slot)).rejects.toThrow(StoreUnavailableError)
    await until(() => evalsha.mock.calls.length > 0)
    expect(await other.acquire({ worker: 'sweep', runId: 'sweep.m-2' })).toEqual({
      kind: 'refused',
      blockedBy: slotRun,
    })
    const held = await hold(lock, slotRun, slot)
    await held.release()
    expect(await locks.keys()).toHaveLength(1)
  })

  it('of a claim does not lose the slot', async () => {
    const [lock, other] = [locks.create({ connection: client }), locks.create()]
    loseAnswers('eval')
    await expect(hold(lock, slotRun, slot)).rejects.toThrow(StoreUnavailableError)
    expect(await other.acquire({ worker: 'sweep', runId: slotRun, slot })).toEqual({ kind: 'refused' })
    const held = await hold(lock, slotRun, slot)
    await held.release()
    // It has led to a run now.
    expect(await lock.acquire({ worker: 'sweep', runId: slotRun, slot })).toEqual({ kind: 'refused' })
  })

  it('of a claim does not lose the slot when it was asked for again before', async () => {
    const lock = locks.create({ connection: client })
    const gate = Promise.withResolvers<void>()
    const original = client.eval.bind(client) as (...args: unknown[]) => Promise<unknown>
    vi.spyOn(client, 'eval').mockImplementationOnce((async (...args: unknown[]) => {
      await original(...args)
      await gate.promise
      throw new Error('Connection is closed.')
    }) as never)
    const first = lock.acquire({ worker: 'sweep', runId: slotRun, slot }).catch((thrown: unknown) => thrown)
    await until(async () => (await locks.keys()).length > 0)
    const second = lock.acquire({ worker: 'sweep', runId: slotRun, slot })
    await client.ping()
    gate.resolve()
    expect(await first).toBeInstanceOf(StoreUnavailableError)
    expect(await second).toMatchObject({ kind: 'held' })
  })

  it('of a claim gives the slot to one of two managers that share the lock', async () => {
    const lock = locks.create({ connection: client })
    loseAnswers('eval')
    await expect(hold(lock, slotRun, slot)).rejects.toThrow(StoreUnavailableError)
    const ask = async () => {
      const answer = await lock.acquire({ worker: 'sweep', runId: slotRun, slot })
      if (answer.kind === 'held') await answer.release()
      return answer.kind
    }
    expect((await Promise.all([ask(), ask(), ask()])).sort()).toEqual(['held', 'refused', 'refused'])
  })

  it('of a renewal loses nothing while the next one comes in time', async () => {
    const lock = locks.create({ connection: client, lockTimeoutMs: 6_000, refreshIntervalMs: 100 })
    const held = await hold(lock, 'sweep.m-1')
    const evalsha = vi
      .spyOn(client, 'evalsha')
      .mockRejectedValueOnce(new Error('x'))
      .mockRejectedValueOnce(new Error('x'))
    await until(() => evalsha.mock.calls.length >= 4)
    expect(held.signal.aborted).toBe(false)
  })

  it('of a release is logged; the next run of this process gets the lock at once', async () => {
    const logger = new RecordingLogger()
    const lock = locks.create({ connection: client, logger })
    const held = await hold(lock, 'sweep.m-1')
    vi.spyOn(client, 'evalsha').mockRejectedValueOnce(new Error('gone'))
    await held.release()
    const [line] = logger.linesOf('a lock could not be released, it is held until it expires')
    expect([line?.level, line?.data.worker]).toEqual(['warn', 'sweep'])
    expect(await locks.create().acquire({ worker: 'sweep', runId: 'sweep.m-2' })).toMatchObject({ kind: 'refused' })
    await hold(lock, 'sweep.m-3')
  })
})

describe('while Redis can not be reached', () => {
  let proxy: TcpProxy
  beforeEach(async () => {
    proxy = await startTcpProxy(url)
  })
  afterEach(() => proxy.close())

  it.each(['frozen', 'cut'])(
    'a lock is lost before another can have it, and no rejection is left unhandled: %s',
    async (how) => {
      const [lock, other] = [locks.create({ connection: proxy.url, lockTimeoutMs: 2_000 }), locks.create()]
      const held = await hold(lock, 'sweep.m-1')
      if (how === 'frozen') proxy.freeze()
      else {
        proxy.refuse()
        proxy.cut()
      }
      await untilHeld(other, 'sweep.m-2')
      // What this process could know, it knew before the other one got the lock.
      await new Promise((resolve) => setImmediate(resolve))
      expect(held.signal.aborted).toBe(true)
      expect(held.signal.reason).toMatchObject({ code: 'lease-lost' })
      await held.release()
      expect(await locks.create().acquire({ worker: 'sweep', runId: 'sweep.m-3' })).toMatchObject({
        blockedBy: 'sweep.m-2',
      })
    },
  )

  it('for less than a lease, a lock is kept', async () => {
    const lock = locks.create({ connection: proxy.url, lockTimeoutMs: 30_000, refreshIntervalMs: 100 })
    const held = await hold(lock, 'sweep.m-1')
    const renewedMs = () => locks.redis.pttl(`{${locks.applicationName}}:lock:sweep`)
    proxy.refuse()
    proxy.cut()
    await until(async () => (await renewedMs()) < 29_000)
    await proxy.accept()
    await until(async () => (await renewedMs()) > 29_500)
    expect(held.signal.aborted).toBe(false)
  })

  it('a ping is refused, and answered when it is back', async () => {
    const lock = locks.create({ connection: proxy.url, commandTimeoutMs: 3_000 })
    await lock.ping()
    proxy.refuse()
    proxy.cut()
    await expect(lock.ping()).rejects.toThrow(StoreUnavailableError)
    await proxy.accept()
    await untilReachable(() => lock.ping())
  })

  it('a call is refused and nothing of it is sent later', async () => {
    const lock = locks.create({ connection: proxy.url, commandTimeoutMs: 3_000 })
    await (await hold(lock, 'sweep.m-1')).release()
    proxy.refuse()
    proxy.cut()
    const error = await lock.acquire({ worker: 'sweep', runId: slotRun, slot }).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(StoreUnavailableError)
    expect((error as Error).message).toMatch(/^Redis at 127\.0\.0\.1:\d+ /)
    await proxy.accept()
    // The connection is back: what had been queued would have been sent by now.
    const held = await untilReachable(() => hold(lock, 'sweep.m-2'))
    await held.release()
    expect(await locks.keys()).toEqual([])
  })

  it('a connection that is silent is given up, and the next one works', async () => {
    const lock = locks.create({ connection: proxy.url, commandTimeoutMs: 3_000 })
    await (await hold(lock, 'sweep.m-1')).release()
    proxy.freeze()
    await expect(hold(lock, 'sweep.m-2')).rejects.toThrow('did not answer within 3000 ms')
    proxy.thaw()
    await untilReachable(() => hold(lock, 'sweep.m-3'))
  })

  it('a connection that is silent is given up once, however many calls wait for it', async () => {
    const warnings: Error[] = []
    const noteWarning = (warning: Error) => warnings.push(warning)
    process.on('warning', noteWarning)
    const lock = locks.create({ connection: proxy.url, commandTimeoutMs: 3_000 })
    await (await hold(lock, 'sweep.m-1')).release()
    proxy.freeze()
    const workers = Array.from({ length: 20 }, (_, index) => `worker-${index}`)
    await Promise.allSettled(workers.map((worker) => lock.acquire({ worker, runId: `${worker}.m-1` })))
    proxy.thaw()
    await untilReachable(() => hold(lock, 'sweep.m-2'))
    process.off('warning', noteWarning)
    expect(warnings).toEqual([])
  })

  it('a call that is not answered fails in time while a test has faked setImmediate', async () => {
    const lock = locks.create({ connection: proxy.url, commandTimeoutMs: 3_000 })
    await (await hold(lock, 'sweep.m-1')).release()
    proxy.freeze()
    vi.useFakeTimers({ toFake: ['setImmediate'] })
    try {
      await expect(hold(lock, 'sweep.m-2')).rejects.toThrow('did not answer within 3000 ms')
    } finally {
      vi.useRealTimers()
    }
  })

  it('a client of the caller queues nothing of ours either, and stays open', async () => {
    const client = locks.createClient(proxy.url, { maxRetriesPerRequest: null })
    const lock = locks.create({ connection: client, commandTimeoutMs: 3_000 })
    await (await hold(lock, 'sweep.m-1')).release()
    proxy.refuse()
    proxy.cut()
    await until(() => client.status !== 'ready')
    await expect(hold(lock, slotRun, slot)).rejects.toThrow('is not reachable, so nothing was sent')
    await proxy.accept()
    await until(() => client.status === 'ready')
    expect(await locks.keys()).toEqual([])
    await lock[Symbol.asyncDispose]()
    expect(await client.ping()).toBe('PONG')
  })

  it('a client of the caller that is silent is left as it is', async () => {
    const client = locks.createClient(proxy.url)
    const lock = locks.create({ connection: client, commandTimeoutMs: 3_000 })
    await (await hold(lock, 'sweep.m-1')).release()
    let closed = 0
    client.on('close', () => closed++)
    const errors: unknown[] = []
    proxy.freeze()
    const theirs = client.ping().catch((error: unknown) => errors.push(error))
    await expect(hold(lock, slotRun, slot)).rejects.toThrow('did not answer within 3000 ms')
    proxy.thaw()
    await theirs
    await (await hold(lock, 'sweep.m-2')).release()
    expect([closed, errors]).toEqual([0, []])
  })

  async function untilReachable<T>(call: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await call()
      } catch (error) {
        if (!(error instanceof StoreUnavailableError)) throw error
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
    }
  }
})

describe('a process that stands still for longer than its lease', () => {
  it('does not get a lock that was granted before, but is told to ask again', async () => {
    const client = locks.createClient()
    const set = client.set.bind(client) as (...args: unknown[]) => Promise<unknown>
    vi.spyOn(client, 'set').mockImplementationOnce((async (...args: unknown[]) => {
      const answer = await set(...args)
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_000)
      return answer
    }) as never)
    const lock = locks.create({ connection: client, lockTimeoutMs: 1_000 })
    await expect(hold(lock, 'sweep.m-1')).rejects.toThrow(StoreUnavailableError)
  })

  it('finds its lock lost when its event loop goes on', async () => {
    const held = await hold(locks.create({ lockTimeoutMs: 1_000 }), 'sweep.m-1')
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_500)
    await new Promise((resolve) => setTimeout(resolve, 1))
    expect(held.signal.aborted).toBe(true)
  })

  it('finds its lock lost when it is continued', async () => {
    const args = [url, locks.applicationName, '2000']
    await using holder = new TestProcess(new URL('fixtures/holder.ts', import.meta.url), { args })
    await holder.line('held')
    holder.signal('SIGSTOP')
    const next = await untilHeld(locks.create(), 'sweep.m-next')
    expect(holder.lines).toEqual(['held'])
    holder.signal('SIGCONT')
    await holder.line('LeaseLostError')
    expect(next.signal.aborted).toBe(false)
  })

  it('leaves its lock to another when it is killed', async () => {
    const args = [url, locks.applicationName, '1000']
    await using holder = new TestProcess(new URL('fixtures/holder.ts', import.meta.url), { args })
    await holder.line('held')
    holder.signal('SIGKILL')
    await holder.exit
    await untilHeld(locks.create(), 'sweep.m-next')
  })
})

type Command = Parameters<RedisServer['cli']>

describe('a Redis', () => {
  let server: RedisServer
  beforeEach(async () => {
    server = await startRedis({ password: 'secret-of-redis' })
  })
  afterEach(() => server.cleanUp())

  it('that refuses is said to, without the password', async () => {
    const wrong = new URL(server.url)
    wrong.password = 'wrong-password'
    const lock = locks.create({ connection: wrong.href, commandTimeoutMs: 3_000 })
    const error = await lock.acquire({ worker: 'sweep', runId: 'sweep.m-1' }).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(StoreUnavailableError)
    const { message, cause } = error as Error
    expect(message).toContain('WRONGPASS')
    expect(JSON.stringify([message, cause, Object.entries(cause as object)])).not.toMatch(
      /wrong-password|secret-of-redis/,
    )
  })

  it('that is full is said to refuse, and nothing is held', async () => {
    const lock = locks.create({ connection: server.url })
    await (await hold(lock, 'sweep.m-1')).release()
    await server.cli('config', 'set', 'maxmemory', '1')
    await expect(hold(lock, slotRun, slot)).rejects.toThrow(/^Redis at 127\.0\.0\.1:\d+ refuses \(OOM/)
    await server.cli('config', 'set', 'maxmemory', '0')
    await hold(lock, slotRun, slot)
  })

  it.each<[string, Command, Command, string]>([
    ['is full', ['config', 'set', 'maxmemory', '1'], ['config', 'set', 'maxmemory', '0'], 'OOM'],
    ['is a read-only replica', ['replicaof', '127.0.0.1', '1'], ['replicaof', 'no', 'one'], 'READONLY'],
    [
      'lacks its replicas',
      ['config', 'set', 'min-replicas-to-write', '1'],
      ['config', 'set', 'min-replicas-to-write', '0'],
      'NOREPLICAS',
    ],
    [
      'allows no scripts',
      ['acl', 'setuser', 'default', '-@scripting'],
      ['acl', 'setuser', 'default', '+@scripting'],
      'NOPERM',
    ],
  ])('that %s refuses a ping as it refuses a lock', async (_, breaks, mends, why) => {
    const lock = locks.create({ connection: server.url, commandTimeoutMs: 3_000 })
    await lock.ping()
    await server.cli(...breaks)
    await expect(lock.ping()).rejects.toThrow(why)
    await expect(hold(lock, slotRun, slot)).rejects.toThrow(StoreUnavailableError)
    await server.cli(...mends)
    await until(() =>
      lock.ping().then(
        () => true,
        () => false,
      ),
    )
    await hold(lock, slotRun, slot)
  })

  it('that answers and takes no writes is one outage to a manager, told once', async () => {
    const clock = new ManualClock()
    const lock = locks.create({ connection: server.url })
    const ping = vi.spyOn(lock, 'ping')
    await using manager = new DefaultBackgroundWorkerManager({ clock, distributedLock: lock })
    const events: string[] = []
    manager.on('store-lost', () => events.push('lost'))
    manager.on('store-restored', () => events.push('restored'))
    await manager.add(periodicWorker({ name: 'sweep', schedule: every('10m', { offset: 0 }), doWork() {} }))
    await manager.start()
    await server.cli('config', 'set', 'maxmemory', '1')
    await clock.advance(600_000)
    await until(async () => {
      await clock.advance(1_000)
      return ping.mock.calls.length > 3
    })
    expect(events).toEqual(['lost'])
  })

  it('that had forgotten its scripts is silent for another reason', async () => {
    const proxy = await startTcpProxy(server.url)
    onTestFinished(() => proxy.close())
    const lock = locks.create({ connection: proxy.url, commandTimeoutMs: 3_000 })
    await server.cli('script', 'flush')
    await (await hold(lock, 'sweep.m-1')).release()
    proxy.freeze()
    await expect(hold(lock, 'sweep.m-2')).rejects.toThrow(/ did not answer within 3000 ms\.$/)
  })

  it('that has forgotten its scripts, as after a restart, disturbs nobody', async () => {
    const lock = locks.create({ connection: server.url })
    const held = await hold(lock, slotRun, slot)
    await server.cli('script', 'flush')
    await held.release()
    await server.cli('script', 'flush')
    expect(await lock.acquire({ worker: 'sweep', runId: slotRun, slot })).toEqual({ kind: 'refused' })
  })
})
