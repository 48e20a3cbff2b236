import { every } from '@background-workers/abstractions'
import { Redis } from 'ioredis'
import { Redis as Redis5 } from 'ioredis5'
import { freshApplicationName, removeApplication, sharedRedis } from 'test-redis'
import { describe, it } from 'vitest'
import {
  LATE_TIMERS_MS,
  PATIENCE,
  countingWorker,
  faultManager,
  outcomeOf,
  ownApplication,
  ownProxy,
  ownRedis,
} from './fixtures/fault-manager.ts'
import { passed } from './fixtures/until.ts'

const EVENTS = ['ready', 'close', 'error', 'end', 'connect', 'connecting', 'reconnecting', 'wait'] as const

describe.concurrent('a client of the caller', () => {
  for (const [version, Client] of [
    ['6', Redis],
    ['5', Redis5 as unknown as typeof Redis],
  ] as const) {
    it(`of ioredis ${version} serves two starts, and stays as it was: open, usable, without listeners of ours`, async (test) => {
      const { expect } = test
      const { url } = await sharedRedis()
      const applicationName = freshApplicationName()
      const client = new Client(url, { maxRetriesPerRequest: null })
      test.onTestFinished(async () => {
        client.disconnect()
        await removeApplication(url, applicationName)
      })
      client.on('error', () => {})
      await client.ping()
      const before = EVENTS.map((event) => client.listenerCount(event))
      const { manager } = faultManager(test, { applicationName, connection: client })
      const tidy = countingWorker('tidy', every(1_000))
      await manager.add(tidy.worker)
      for (let starts = 0; starts < 2; starts++) {
        await manager.start()
        const seen = tidy.runs.length
        await expect.poll(() => tidy.runs.length, PATIENCE).toBeGreaterThan(seen + 1)
        const runId = await manager.trigger('tidy').catch((error: { activeRunId: string }) => error.activeRunId)
        await expect.poll(async () => (await manager.runs('tidy')).map((run) => run.runId), PATIENCE).toContain(runId)
        await manager.pause('tidy')
        await manager.resume('tidy')
        await manager.stop()
        expect(client.status).toBe('ready')
        expect(await client.ping()).toBe('PONG')
        expect(EVENTS.map((event) => client.listenerCount(event))).toEqual(before)
        expect(Object.hasOwn(client, 'duplicate')).toBe(false)
      }
    })
  }

  it('that loses Redis reports it, and goes on when it is back', async (test) => {
    const { expect } = test
    const redis = await ownRedis(test, { appendOnly: true })
    const client = new Redis(redis.url, { maxRetriesPerRequest: null, retryStrategy: () => 100 })
    test.onTestFinished(() => client.disconnect())
    client.on('error', () => {})
    const before = EVENTS.map((event) => client.listenerCount(event))
    const { manager, countEvents } = faultManager(test, { connection: client, commandTimeoutMs: 1_000 })
    const tidy = countingWorker('tidy', every(1_000))
    await manager.add(tidy.worker)
    await manager.start()
    await redis.stop()
    await expect.poll(() => countEvents('store-lost'), PATIENCE).toBe(1)
    expect(await outcomeOf(manager.list())).toMatchObject({ code: 'store-unavailable' })
    await redis.restart()
    await expect.poll(() => countEvents('store-restored'), PATIENCE).toBe(1)
    const seen = tidy.runs.length
    await expect.poll(() => tidy.runs.length, PATIENCE).toBeGreaterThan(seen + 1)
    await manager.stop()
    expect(EVENTS.map((event) => client.listenerCount(event))).toEqual(before)
    expect(await client.ping()).toBe('PONG')
  })

  it.for(['legacy', 'resp3'] as const)(
    'that gives its answers as %s: what is there is read',
    async (replyMapping, test) => {
      const { expect } = test
      const redis = await ownRedis(test)
      const client = new Redis(redis.url, { maxRetriesPerRequest: null, replyMapping })
      test.onTestFinished(() => client.disconnect())
      const { manager, applicationName } = faultManager(test, { connection: client })
      await manager.add(countingWorker('tidy', every('1h')).worker)
      await manager.start()
      const definition = () => redis.cli('hget', `{${applicationName}}:workers`, 'definition:tidy')
      const before = await definition()
      await manager.stop()
      await manager.start()
      expect(before).toContain('declaredAt')
      expect(await definition()).toBe(before)
    },
  )

  it('of a cluster that has lost the node with our keys reports it once, and goes on when there is one again', async (test) => {
    const { expect } = test
    const { options } = await ownApplication(test)
    // As a `Cluster` is then: ready, since there are other nodes.
    const client = new Redis(options.connection, { maxRetriesPerRequest: null })
    test.onTestFinished(() => client.disconnect())
    let isNodeGone = false
    const stalledChecks = new Set<unknown>()
    const send = client.sendCommand.bind(client)
    client.sendCommand = (command: Parameters<typeof send>[0], ...rest) => {
      if (!isNodeGone) {
        for (const word of command.args) if (String(word).endsWith(':stalled-check')) stalledChecks.add(String(word))
        return send(command, ...rest)
      }
      const gone = new Error('Too many Cluster redirections. Last error: Error: Connection is closed.')
      // It has asked again and again.
      setTimeout(() => command.reject(gone), 200)
      return command.promise
    }
    const { manager, countEvents } = faultManager(test, { ...options, connection: client, commandTimeoutMs: 500 })
    await manager.add(countingWorker('tidy', every('1h')).worker)
    await manager.start()
    isNodeGone = true
    expect(await outcomeOf(manager.trigger('tidy'))).toMatchObject({ code: 'store-unavailable' })
    await expect.poll(() => countEvents('store-lost'), PATIENCE).toBe(1)
    expect(await outcomeOf(manager.trigger('tidy'))).toMatchObject({ code: 'store-unavailable' })
    stalledChecks.clear()
    isNodeGone = false
    await expect.poll(() => countEvents('store-restored'), PATIENCE).toBe(1)
    expect(await outcomeOf(manager.trigger('tidy'))).toMatchObject({ code: 'resolved' })
    expect(countEvents('store-lost')).toBe(1)
    // BullMQ has waited for 5 s before it looks again, which no stop ends.
    await expect.poll(() => stalledChecks.size, PATIENCE).toBe(2)
  })

  it('that is silent at start fails it, and what had been asked for is not done later', async (test) => {
    const { expect } = test
    const redis = await ownRedis(test)
    const proxy = await ownProxy(test, redis)
    const client = new Redis(proxy.url, { maxRetriesPerRequest: null })
    test.onTestFinished(() => client.disconnect())
    await client.ping()
    const { manager, applicationName } = faultManager(test, { connection: client, startTimeoutMs: 3_000 })
    await manager.add(countingWorker('tidy', every(1_000)).worker)
    proxy.freeze()
    const failed = await outcomeOf(manager.start())
    expect(['start-timeout', 'store-unavailable']).toContain(failed.code)
    expect(failed.runningMs).toBeLessThan(3_000 + LATE_TIMERS_MS)
    proxy.thaw()
    await passed(Date.now() + 1_000)
    expect(await redis.cli('exists', `{${applicationName}}:instances`)).toBe('0')
    expect(await redis.cli('exists', `{${applicationName}}:workers`)).toBe('0')
    await expect.poll(() => outcomeOf(manager.start()), PATIENCE).toMatchObject({ code: 'resolved' })
    expect(await manager.list()).toHaveLength(1)
  })
})
