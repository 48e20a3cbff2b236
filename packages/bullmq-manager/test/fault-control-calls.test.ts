import { type RunRecord, every } from '@background-workers/abstractions'
import { Redis } from 'ioredis'
import { withClient } from 'test-redis'
import { describe, it, vi } from 'vitest'
import { HOUR_MS, rarely } from './fixtures/cluster.ts'
import {
  PATIENCE,
  countingWorker,
  faultManager,
  lastingReasons,
  outcomeOf,
  ownApplication,
  ownRedis,
} from './fixtures/fault-manager.ts'
import { passed } from './fixtures/until.ts'

it('a control call whose answer arrives while the event loop is blocked is answered', async (test) => {
  const { options } = await ownApplication(test)
  const { manager } = faultManager(test, { ...options, commandTimeoutMs: 1_000 })
  await manager.add(countingWorker('tidy', every(3_600_000)).worker)
  await manager.start()
  const worker = manager.get('tidy')
  // It has been sent by then.
  await new Promise<void>((resolve) => process.nextTick(resolve))
  const blockedUntil = performance.now() + 2_000
  while (performance.now() < blockedUntil);
  test.expect(await worker).toMatchObject({ name: 'tidy', state: 'idle' })
})

describe('a control call while Redis is away', () => {
  it('rejects after commandTimeoutMs and is not executed later', async (test) => {
    const { expect } = test
    const redis = await ownRedis(test, { appendOnly: true })
    const { manager, countEvents } = faultManager(test, { connection: redis.url, commandTimeoutMs: 2_000 })
    const { worker, runs } = countingWorker('tidy', every(3_600_000))
    const late = countingWorker('late', every(3_600_000))
    await manager.add(worker)
    await manager.start()
    const warnings: Error[] = []
    const warned = (warning: Error) => warnings.push(warning)
    process.on('warning', warned)
    await redis.stop()
    await expect.poll(() => countEvents('store-lost'), PATIENCE).toBe(1)

    const calls = [
      () => manager.trigger('tidy'),
      () => manager.pause('tidy'),
      () => manager.resume('tidy'),
      () => manager.reschedule('tidy', every(1_000)),
      () => manager.remove('tidy'),
      () => manager.cancel('tidy.m-1'),
      () => manager.list(),
      () => manager.get('tidy'),
      () => manager.runs('tidy'),
      () => manager.add(late.worker),
    ]
    // More at a time than Node allows listeners.
    const outcomes = await Promise.all([...calls, ...calls].map((call) => outcomeOf(call())))
    // The second add meets the first, which is under way.
    for (const { code, message, ms } of outcomes.filter(({ code }) => code !== 'duplicate-worker')) {
      expect({ code, message }).toEqual({
        code: 'store-unavailable',
        message: expect.stringContaining('nothing was sent'),
      })
      expect(ms).toBeGreaterThan(1_900)
      expect(ms).toBeLessThan(30_000)
    }
    // A probe does not wait: it is answered before a call that is made at the same time gives up.
    const answers: string[] = []
    const [list, health] = [outcomeOf(manager.list()), outcomeOf(manager.health())]
    await Promise.all([list.then(() => answers.push('list')), health.then(() => answers.push('health'))])
    expect(answers).toEqual(['health', 'list'])
    expect(await manager.health()).toMatchObject({ status: 'unhealthy' })
    expect(await lastingReasons(manager)).toEqual(['store-lost'])

    await redis.restart()
    await expect.poll(() => countEvents('store-restored'), PATIENCE).toBe(1)
    await passed(Date.now() + 1_500)
    process.off('warning', warned)
    expect(warnings).toEqual([])
    expect(runs).toHaveLength(0)
    expect(late.runs).toHaveLength(0)
    expect(await manager.list()).toEqual([
      expect.objectContaining({ name: 'tidy', state: 'idle', schedule: { declared: every(3_600_000) } }),
    ])
    // The one that failed can be made again.
    await manager.add(late.worker)
    expect(await manager.list()).toHaveLength(2)
  })
})

it('control calls on a machine that was suspended are dated by Redis, before a heartbeat too', async (test) => {
  const { expect } = test
  const { options, key } = await ownApplication(test)
  const client = new Redis(options.connection, { maxRetriesPerRequest: null })
  test.onTestFinished(() => client.disconnect())
  const { manager } = faultManager(test, { ...options, connection: client })
  await manager.add(countingWorker('tidy', rarely()).worker)
  await manager.start()
  const field = async (name: string) => parseInt((await client.hget(key('workers'), `${name}:tidy`)) ?? '', 10)
  const override = async () => (await manager.get('tidy'))?.schedule?.override?.since.getTime()
  const calls = [
    [() => manager.pause('tidy'), async () => (await manager.get('tidy'))?.paused?.since.getTime()],
    [() => manager.resume('tidy'), () => field('decided')],
    [() => manager.reschedule('tidy', every('2h')), override],
    [() => manager.remove('tidy'), () => field('removed')],
  ] as const
  const [wallNow, redisTime] = [Date.now, client.time.bind(client)]
  let sleptMs = 0
  using _wallClock = vi.spyOn(Date, 'now').mockImplementation(() => wallNow() + sleptMs)
  using _redisClock = vi.spyOn(client, 'time').mockImplementation(async () => {
    const [seconds = 0, micros = 0] = await redisTime()
    return [Number(seconds) + sleptMs / 1_000, Number(micros)]
  })
  for (const [call, datedAt] of calls) {
    const before = Date.now()
    sleptMs += HOUR_MS
    await call()
    expect(await datedAt()).toBeGreaterThan(before + HOUR_MS - 1_000)
  }
  sleptMs += HOUR_MS
  await client.hset(key('workers'), 'removed:late', Date.now() - HOUR_MS / 2)
  await manager.add(countingWorker('late', rarely()).worker)
  expect(await manager.get('late')).toBeDefined()
})

it('trigger of a worker whose start has failed says so, also when its last run is over and not yet settled', async (test) => {
  const { expect } = test
  const { options, key } = await ownApplication(test)
  const { manager } = faultManager(test, options)
  const tidy = countingWorker('tidy', rarely())
  tidy.worker.start = () => Promise.reject(new Error('no database'))
  await manager.add(tidy.worker)
  await manager.start()
  await expect.poll(async () => (await manager.get('tidy'))?.state, PATIENCE).toBe('start-failed')
  const at = new Date()
  const record: RunRecord = {
    ...{ runId: 'tidy.m-1', worker: 'tidy', kind: 'manual', attempts: 1, instanceId: 'gone' },
    ...{ scheduledFor: at, startedAt: at, finishedAt: at },
  }
  const triggerBeside = async (phase: 'running' | 'finished', outcome?: RunRecord['outcome']) => {
    const active = `token\n${phase}\n${JSON.stringify({ ...record, outcome })}`
    await withClient(options.connection, (client) => client.hset(key('workers'), 'active:tidy', active))
    return (await outcomeOf(manager.trigger('tidy'))).code
  }
  // One that is lost waits to be run again.
  expect(await triggerBeside('running')).toBe('worker-busy')
  expect(await triggerBeside('finished', 'lost')).toBe('worker-busy')
  expect(await triggerBeside('finished', 'succeeded')).toBe('worker-not-ready')
})

it('a control call that another instance holds up by writing rejects, and changes nothing', async (test) => {
  const { expect } = test
  const { options, key } = await ownApplication(test)
  const { manager } = faultManager(test, { ...options, commandTimeoutMs: 5_000 })
  await manager.add(countingWorker('tidy', rarely()).worker)
  await manager.start()
  const redis = new Redis(options.connection)
  test.onTestFinished(() => redis.disconnect())
  await redis.set(key('write-lock'), 'of another instance')
  const stored = await redis.hgetall(key('workers'))
  const calls = [manager.reschedule('tidy', every(1_000)), manager.remove('tidy')]
  for (const { code, message } of await Promise.all(calls.map(outcomeOf))) {
    expect([code, message]).toEqual(['store-unavailable', expect.stringContaining('nothing was changed')])
  }
  expect(await redis.hgetall(key('workers'))).toEqual(stored)
  await redis.del(key('write-lock'))
  expect(await manager.remove('tidy')).toBe(true)
})
