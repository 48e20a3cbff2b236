import { every } from '@background-workers/abstractions'
import { Redis } from 'ioredis'
import { type TestContext, describe, it } from 'vitest'
import type { BullMqBackgroundWorkerManager } from '../src/index.ts'
import { Keys } from '../src/keys.ts'
import {
  LATE_TIMERS_MS,
  PATIENCE,
  countingWorker,
  faultManager,
  outcomeOf,
  ownProxy,
  ownRedis,
} from './fixtures/fault-manager.ts'
import { losingRedis } from './fixtures/losing-redis.ts'

describe.concurrent('start while Redis', () => {
  it('is away rejects at the deadline, names host and cause, and works when called again', async (test) => {
    const { expect } = test
    const redis = await ownRedis(test, { password: 'geheim' })
    await redis.stop()
    const { manager, logger, countEvents } = faultManager(test, { connection: redis.url, startTimeoutMs: 3_000 })
    const { worker, runs } = countingWorker('tidy', every(1_000))
    await manager.add(worker)

    const failed = await outcomeOf(manager.start())
    expect(failed).toMatchObject({ code: 'start-timeout', message: expect.stringContaining(`127.0.0.1:${redis.port}`) })
    expect(failed.message).toContain('ECONNREFUSED')
    expect(failed.message).not.toContain('geheim')
    expect(failed.ms).toBeGreaterThan(2_900)
    expect(failed.runningMs).toBeLessThan(3_000 + LATE_TIMERS_MS)
    expect(manager.state).toBe('idle')
    expect(JSON.stringify(logger.lines)).not.toContain('geheim')
    expect([logger.count('Redis is not there'), logger.count('Redis is lost')]).toEqual([1, 0])

    await redis.restart()
    await startAgain(test, manager)
    expect(manager.state).toBe('running')
    await expect.poll(() => runs.length, PATIENCE).toBeGreaterThan(0)
    expect(countEvents('store-restored')).toBe(0)
    await expect.poll(() => manager.health(), PATIENCE).toMatchObject({ status: 'ok' })
  })

  it('accepts connections and says nothing rejects at the deadline', async (test) => {
    const { expect } = test
    const redis = await ownRedis(test)
    const proxy = await ownProxy(test, redis)
    proxy.freeze()
    const { manager } = faultManager(test, { connection: proxy.url, startTimeoutMs: 3_000 })
    const failed = await outcomeOf(manager.start())
    expect(failed).toMatchObject({ code: 'start-timeout', message: expect.stringContaining('127.0.0.1:') })
    expect(failed.runningMs).toBeLessThan(3_000 + LATE_TIMERS_MS)
    proxy.thaw()
    await startAgain(test, manager)
    expect(manager.state).toBe('running')
  })

  it('refuses the password rejects, names the cause and never the password', async (test) => {
    const { expect } = test
    const redis = await ownRedis(test, { password: 'richtig' })
    const connection = redis.url.replace('richtig', 'falsch')
    const { manager, logger } = faultManager(test, { connection, startTimeoutMs: 5_000 })
    const failed = await outcomeOf(manager.start())
    expect(failed).toMatchObject({ code: 'start-timeout', message: expect.stringContaining('WRONGPASS') })
    expect(failed.message + JSON.stringify(logger.lines)).not.toContain('falsch')
    expect(logger.lines.length).toBeLessThan(5)
    await redis.cli('config', 'set', 'requirepass', 'falsch')
    await startAgain(test, manager)
  })

  it('forbids writing rejects and says so', async (test) => {
    const { expect } = test
    const redis = await ownRedis(test)
    await redis.cli('acl', 'setuser', 'reader', 'on', '>leser', '~*', '&*', '+@all', '-@write')
    const connection = redis.url.replace('redis://', 'redis://reader:leser@')
    const { manager, logger } = faultManager(test, { connection, startTimeoutMs: 30_000 })
    const { worker, runs } = countingWorker('tidy', every(1_000))
    await manager.add(worker)
    const failed = await outcomeOf(manager.start())
    expect(failed).toMatchObject({ code: 'store-unavailable', message: expect.stringContaining('NOPERM') })
    expect(failed.message + JSON.stringify(logger.lines)).not.toContain('leser')
    expect(logger.lines.length).toBeLessThan(8)
    expect(manager.state).toBe('idle')
    await redis.cli('acl', 'setuser', 'reader', '+@write')
    await startAgain(test, manager)
    await expect.poll(() => runs.length, PATIENCE).toBeGreaterThan(0)
  })

  it('answers too late rejects, and what is answered later on the client of the caller does not declare it', async (test) => {
    const { expect } = test
    const { redis, target, hold } = await losingRedis(test)
    const connection = new Redis(redis, { maxRetriesPerRequest: null })
    test.onTestFinished(() => connection.disconnect())
    const { manager, applicationName } = faultManager(test, { connection, startTimeoutMs: 5_000 })
    await manager.add(countingWorker('tidy', every(1_000)).worker)
    const keys = new Keys(applicationName)
    const held = hold((command) => command.includes(':instances:names'))
    const starting = outcomeOf(manager.start())
    const release = await held
    // Killed here or before, it leaves no names without a heartbeat by which others find that it is dead.
    expect(await target.cli('exists', keys.instances, keys.instanceNames)).toBe('2')
    expect(await starting).toMatchObject({ code: 'store-unavailable' })
    release()
    // What was still to be sent for that answer is sent before the second, and a script once more before the third.
    for (let pings = 0; pings < 3; pings++) await connection.ping()
    expect(await target.cli('exists', keys.instances, keys.instanceNames)).toBe('0')
  })

  it('holds its answer back while it compares writes nothing later, and leaves nothing open on the client of the caller', async (test) => {
    const { expect } = test
    const { redis, target, hold } = await losingRedis(test)
    const connection = new Redis(redis, { maxRetriesPerRequest: null })
    test.onTestFinished(() => connection.disconnect())
    await connection.ping()
    const listeners = () => connection.eventNames().map((name) => [name, connection.listenerCount(name)])
    const before = listeners()
    const { manager, applicationName } = faultManager(test, { connection, startTimeoutMs: 5_000 })
    await manager.add(countingWorker('tidy', every(1_000)).worker)
    const held = hold((command) => command.includes('$7\r\nHGETALL\r\n'))
    const starting = outcomeOf(manager.start())
    const release = await held
    expect(await starting).toMatchObject({ code: 'store-unavailable' })
    release()
    for (let pings = 0; pings < 10; pings++) await connection.ping()
    const keys = new Keys(applicationName)
    expect(await target.cli('exists', keys.instances, keys.workers, keys.schedulers)).toBe('0')
    expect(listeners()).toEqual(before)
  })

  it('goes away declares nothing when it is back, also on the client of the caller', async (test) => {
    const { expect } = test
    const { redis, target, hold } = await losingRedis(test)
    const connection = new Redis(redis, { maxRetriesPerRequest: null, retryStrategy: () => 100 })
    test.onTestFinished(() => connection.disconnect())
    const { manager, applicationName } = faultManager(test, { connection, startTimeoutMs: 5_000 })
    await manager.add(countingWorker('tidy', every(1_000)).worker)
    const held = hold((command) => command.includes(':instances:names'))
    const starting = outcomeOf(manager.start())
    await held
    await target.stop()
    expect(await starting).toMatchObject({ code: 'store-unavailable' })
    await target.restart()
    for (let pings = 0; pings < 10; pings++) await connection.ping()
    const keys = new Keys(applicationName)
    expect(await target.cli('exists', keys.instances, keys.instanceNames, keys.workers)).toBe('0')
  })

  it('is read-only (a replica) rejects at the deadline, and works when it is a master again', async (test) => {
    const { expect } = test
    const redis = await ownRedis(test)
    await redis.cli('replicaof', '127.0.0.1', '1')
    const { manager, logger } = faultManager(test, { connection: redis.url, startTimeoutMs: 3_000 })
    const { worker, runs } = countingWorker('tidy', every(1_000))
    await manager.add(worker)
    const failed = await outcomeOf(manager.start())
    expect(['start-timeout', 'store-unavailable']).toContain(failed.code)
    expect(failed.runningMs).toBeLessThan(3_000 + LATE_TIMERS_MS)
    expect(logger.lines.length).toBeLessThan(8)
    await redis.cli('replicaof', 'no', 'one')
    await startAgain(test, manager)
    await expect.poll(() => runs.length, PATIENCE).toBeGreaterThan(0)
  })
})

/** A slow machine may need more than one of these short starts. */
async function startAgain({ expect }: TestContext, manager: BullMqBackgroundWorkerManager): Promise<void> {
  await expect.poll(() => outcomeOf(manager.start()), PATIENCE).toMatchObject({ code: 'resolved' })
}
