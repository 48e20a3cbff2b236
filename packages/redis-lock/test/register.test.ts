import { InvalidOptionsError, every, periodicWorker } from '@background-workers/abstractions'
import { RecordingLogger } from '@background-workers/abstractions/testing'
import type { DefaultBackgroundWorkerManager } from '@background-workers/default-manager'
import { defaultBackgroundWorkerManager } from '@background-workers/default-manager/register'
import { InjectionMode, asValue, createContainer } from 'awilix'
import { freshApplicationName, removeApplication, sharedRedis } from 'test-redis'
import { afterEach, describe, expect, it } from 'vitest'
import type { RedisLockOptions } from '../src/options.ts'
import { RedisDistributedLock } from '../src/redis-distributed-lock.ts'
import { redisDistributedLock } from '../src/register.ts'

interface Cradle {
  backgroundWorkerManager: DefaultBackgroundWorkerManager
  distributedLock: RedisDistributedLock
  redisUrl: string
  logger: RecordingLogger
}

const { url } = await sharedRedis()
const applicationName = freshApplicationName()
afterEach(() => removeApplication(url, applicationName))

describe('redisDistributedLock', () => {
  it.each([InjectionMode.PROXY, InjectionMode.CLASSIC])(
    'is the lock of the default manager in the same container: %s',
    async (injectionMode) => {
      const container = createContainer<Cradle>({ injectionMode, strict: true })
      container.register(defaultBackgroundWorkerManager())
      container.register(redisDistributedLock(({ redisUrl }: Cradle) => ({ connection: redisUrl, applicationName })))
      container.register({ redisUrl: asValue(url), logger: asValue(new RecordingLogger()) })
      const manager = container.resolve('backgroundWorkerManager')
      const gate = Promise.withResolvers<void>()
      await manager.add(periodicWorker({ name: 'rare', schedule: every('30d'), doWork: () => gate.promise }))
      await manager.start()
      const runId = await manager.trigger('rare')
      const other = new RedisDistributedLock({ connection: url, applicationName })
      expect(await other.acquire({ worker: 'rare', runId: 'rare.m-other' })).toEqual({
        kind: 'refused',
        blockedBy: runId,
      })
      // Both are disposed at a time; the lock waits for the run.
      const disposed = container.dispose()
      gate.resolve()
      await disposed
      const [record] = await manager.runs('rare')
      expect(record?.outcome).toBe('succeeded')
      const held = await other.acquire({ worker: 'rare', runId: 'rare.m-other' })
      expect(held.kind).toBe('held')
      if (held.kind === 'held') await held.release()
      await other[Symbol.asyncDispose]()
    },
  )

  it.each(['itself awaits the stop', 'never returns'])(
    'is disposed without waiting for a run that its manager has let go of: one that %s',
    async (what) => {
      const container = createContainer<Cradle>()
      container.register(defaultBackgroundWorkerManager())
      container.register(
        redisDistributedLock({
          connection: url,
          applicationName,
          disposeTimeoutMs: 2 ** 31 - 1,
          lockTimeoutMs: 60_000,
        }),
      )
      const manager = container.resolve('backgroundWorkerManager')
      // As `application.stop` does.
      const stop = async () => {
        await manager.stop({ timeoutMs: 100 })
        await container.dispose()
      }
      const stopsItself = what === 'itself awaits the stop'
      const doWork = stopsItself ? stop : () => new Promise<void>(() => {})
      await manager.add(periodicWorker({ name: 'rare', schedule: every('30d'), doWork }))
      await manager.start()
      await manager.trigger('rare')
      if (!stopsItself) await stop()
      await expect
        .poll(async () => (await manager.runs('rare')).map(({ outcome, reason }) => [outcome, reason]))
        .toEqual([stopsItself ? ['succeeded', undefined] : ['aborted', 'stop']])
    },
  )

  it('is one lock, which is made when it is first resolved', () => {
    const container = createContainer<Cradle>()
    container.register(redisDistributedLock({ connection: url }))
    const lock = container.resolve('distributedLock')
    expect(lock).toBeInstanceOf(RedisDistributedLock)
    expect(container.createScope().resolve('distributedLock')).toBe(lock)
  })

  it('reads what an instance of a settings class has a getter for', () => {
    class Settings implements RedisLockOptions {
      get connection() {
        return 'redis://127.0.0.1:1'
      }
      get lockTimeoutMs() {
        return 1
      }
    }
    const container = createContainer<Cradle>()
    container.register(redisDistributedLock(new Settings()))
    expect(() => container.resolve('distributedLock')).toThrow('"lockTimeoutMs" must be')
  })

  it('is refused where it is first resolved in a scope: it would keep the logger of that', () => {
    const container = createContainer<Cradle>()
    container.register(redisDistributedLock({ connection: url }))
    const scope = container.createScope().register({ logger: asValue(new RecordingLogger()) })
    expect(() => scope.resolve('distributedLock')).toThrow('RedisDistributedLock: it is first resolved in a scope')
  })

  it('refuses bad options when it is resolved', () => {
    const container = createContainer<Cradle>()
    container.register(redisDistributedLock({ connection: 'nowhere' }))
    expect(() => container.resolve('distributedLock')).toThrow(InvalidOptionsError)
  })
})
