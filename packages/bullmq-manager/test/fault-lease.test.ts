import { every } from '@background-workers/abstractions'
import { STUCK_AFTER_MS, systemClock } from '@background-workers/abstractions/for-managers'
import { RecordingLogger } from '@background-workers/abstractions/testing'
import { Redis } from 'ioredis'
import { withClient } from 'test-redis'
import { type TestContext, describe, it, vi } from 'vitest'
import { rarely } from './fixtures/cluster.ts'
import { deafWork } from './fixtures/deaf-work.ts'
import { PATIENCE, type Test, countingWorker, faultManager, ownApplication } from './fixtures/fault-manager.ts'
import { losingRedis } from './fixtures/losing-redis.ts'

describe('a run whose lease somebody else has taken', () => {
  it('is aborted with LeaseLostError at the next renewal, and a late end does no harm', async (test) => {
    const { expect } = test
    const { key, options } = await ownApplication(test)
    const reasons: unknown[] = []
    const release = Promise.withResolvers<void>()
    const long = countingWorker('long', every(3_600_000), ({ signal }) => {
      signal.addEventListener('abort', () => reasons.push((signal.reason as { code: string }).code))
      return release.promise
    })
    const { manager } = faultManager(test, options)
    await manager.add(long.worker)
    await manager.start()
    const runId = await manager.trigger('long')
    await expect.poll(() => long.runs.length, PATIENCE).toBe(1)
    await withClient(options.connection, (client) => client.set(key(`runs.default:${runId}:lock`), 'thief'))

    await expect.poll(() => reasons, PATIENCE).toEqual(['lease-lost'])
    await expect
      .poll(async () => (await manager.runs('long'))[0], PATIENCE)
      .toMatchObject({ runId, outcome: 'aborted', reason: 'lease-lost' })
    release.resolve()
    await withClient(options.connection, (client) => client.del(key(`runs.default:${runId}:lock`)))
    // The stalled check takes the job from the list; the worker runs again.
    await expect.poll(() => manager.trigger('long').catch(() => ''), PATIENCE).toContain('long.m-')
    await expect.poll(() => long.runs.length, PATIENCE).toBe(2)
    expect((await manager.runs('long')).filter((run) => run.runId === runId)).toMatchObject([
      { outcome: 'aborted', reason: 'lease-lost' },
    ])
  })
})

/** A run of `long` that heeds no signal goes on, though it has lost its lease and another instance has settled it. */
async function runThatGoesOn(test: TestContext) {
  const { expect } = test
  const { key, options } = await ownApplication(test)
  const { doWork, activeAtOnce, end } = deafWork(test)
  // Whatever runs beside it ends at once.
  const long = countingWorker('long', rarely(), () => (long.runs.length === 1 ? doWork() : undefined))
  // Not 30 s, as that until a run is stuck.
  const { manager, countEvents } = faultManager(test, { ...options, startTimeoutMs: 60_000 })
  await manager.add(long.worker)
  await manager.start()
  const runId = await manager.trigger('long')
  await expect.poll(() => activeAtOnce.length, PATIENCE).toBe(1)
  const client = new Redis(options.connection)
  test.onTestFinished(() => client.disconnect())
  const queue = key('runs.default')
  await client.set(`${queue}:${runId}:lock`, 'thief')
  await expect
    .poll(async () => (await manager.runs('long'))[0], PATIENCE)
    .toMatchObject({ runId, reason: 'lease-lost' })
  // The other instance is done with its job, so it holds no guard any more.
  await client
    .multi()
    .lrem(`${queue}:active`, 0, runId)
    .del(`${queue}:${runId}`, `${queue}:${runId}:lock`, `${queue}:de:long`)
    .exec()
  /** Resolves when the next run has been put off so often, or has run beside it. */
  const untilPutOff = async (nextRunId: string, count: number) => {
    const isPutOff = async () =>
      Number(await client.hget(`${queue}:${nextRunId}`, 'ats')) >= count &&
      (await client.zscore(`${queue}:delayed`, nextRunId)) !== null
    await expect.poll(async () => long.runs.length > 1 || (await isPutOff()), PATIENCE).toBe(true)
    return Number(await client.hget(`${queue}:${nextRunId}`, 'ats'))
  }
  const latest = async () => (await manager.runs('long'))[0]
  return { manager, countEvents, runs: long.runs, latest, untilPutOff, end }
}

/** The 30 s after which a run counts as stuck pass at once. */
function passStuckTime(test: Test): void {
  const real = { ...systemClock }
  let passedMs = 0
  const now = vi.spyOn(systemClock, 'monotonicNow').mockImplementation(() => real.monotonicNow() + passedMs)
  const timer = vi.spyOn(systemClock, 'setTimer').mockImplementation((callback, delayMs) => {
    if (Math.ceil(delayMs) !== STUCK_AFTER_MS) return real.setTimer(callback, delayMs)
    passedMs += STUCK_AFTER_MS
    return real.setTimer(callback, 0)
  })
  test.onTestFinished(() => {
    for (const spy of [now, timer]) spy.mockRestore()
  })
}

describe('a run whose lease is lost, that somebody else has settled, and that goes on', () => {
  it('keeps its worker from running beside it in the same process, until it has ended', async (test) => {
    const { expect } = test
    const { manager, runs, latest, untilPutOff, end } = await runThatGoesOn(test)
    const runId = await manager.trigger('long')
    await untilPutOff(runId, 1)
    expect(runs).toHaveLength(1)
    end.resolve()
    await expect.poll(latest, PATIENCE).toMatchObject({ runId, outcome: 'succeeded' })
    expect(runs).toHaveLength(2)
  })

  it('keeps its worker stuck until it has ended, also when the manager is started again', async (test) => {
    const { expect } = test
    passStuckTime(test)
    const { manager, countEvents, runs, latest, untilPutOff, end } = await runThatGoesOn(test)
    const isStuck = async () => (await manager.health()).reasons.some(({ code }) => code === 'stuck')
    await expect.poll(isStuck, PATIENCE).toBe(true)
    const runId = await manager.trigger('long')
    const count = await untilPutOff(runId, 1)
    expect([runs.length, await isStuck(), countEvents('worker-recovered')]).toEqual([1, true, 0])
    await manager.stop({ timeoutMs: 100 })
    await manager.start()
    await untilPutOff(runId, count + 1)
    expect([runs.length, await isStuck(), countEvents('worker-recovered')]).toEqual([1, true, 0])
    end.resolve()
    await expect.poll(latest, PATIENCE).toMatchObject({ runId, outcome: 'succeeded' })
    expect([await isStuck(), countEvents('worker-recovered'), countEvents('worker-stuck')]).toEqual([false, 1, 1])
    expect(runs).toHaveLength(2)
  })
})

describe('a run whose machine has its clock set back', () => {
  it('keeps its lease', async (test) => {
    const { expect } = test
    const { key, options } = await ownApplication(test)
    const reasons: unknown[] = []
    const gate = Promise.withResolvers<void>()
    test.onTestFinished(() => gate.resolve())
    const long = countingWorker('long', rarely(), ({ signal }) => {
      signal.addEventListener('abort', () => reasons.push(signal.reason))
      return gate.promise
    })
    const { manager } = faultManager(test, options)
    await manager.add(long.worker)
    await manager.start()
    const runId = await manager.trigger('long')
    await expect.poll(() => long.runs.length, PATIENCE).toBe(1)
    const now = Date.now
    const spy = vi.spyOn(Date, 'now').mockImplementation(() => now() - 3_600_000)
    test.onTestFinished(() => spy.mockRestore())
    await withClient(options.connection, async (client) => {
      const remainingMs = () => client.pttl(key(`runs.default:${runId}:lock`))
      let lastMs = await remainingMs()
      let renewals = 0
      const isOver = async () => {
        const ms = await remainingMs()
        if (ms > lastMs) renewals++
        lastMs = ms
        return renewals === 2 || reasons.length > 0
      }
      await expect.poll(isOver, PATIENCE).toBe(true)
    })
    expect(reasons).toEqual([])
    gate.resolve()
    await expect.poll(async () => (await manager.runs('long'))[0], PATIENCE).toMatchObject({ outcome: 'succeeded' })
  })
})

describe('a run whose lease runs out while it is decided', () => {
  it('does not start: by then somebody else may have it', async (test) => {
    const { expect } = test
    const { redis, target, hold } = await losingRedis(test)
    const logger = new RecordingLogger()
    const { manager, applicationName } = faultManager(test, { connection: redis, logger })
    const tidy = countingWorker('tidy', every(3_600_000))
    await manager.add(tidy.worker)
    await manager.start()
    const held = hold((command) => command.includes(':records:tidy:runs') && !command.includes('"outcome"'))
    const runId = await manager.trigger('tidy')
    const release = await held
    // As if the process had stood still for longer than its lease.
    const now = performance.now.bind(performance)
    const spy = vi.spyOn(performance, 'now').mockImplementation(() => now() + 21_000)
    test.onTestFinished(() => spy.mockRestore())
    release()
    await expect.poll(() => logger.linesOf('a run lost its lease before it could start'), PATIENCE).toHaveLength(1)
    expect(tidy.runs).toEqual([])
    expect(await target.cli('lrange', `{${applicationName}}:runs.default:active`, '0', '-1')).toBe(runId)
  })
})
