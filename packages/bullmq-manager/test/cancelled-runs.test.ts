import { once } from 'node:events'
import { describe, it, vi } from 'vitest'
import { TestCluster, rarely, untilOver } from './fixtures/cluster.ts'
import { deafWork } from './fixtures/deaf-work.ts'
import { ownRedis } from './fixtures/fault-manager.ts'
import { holdingClient } from './fixtures/holding-client.ts'
import { Probe } from './fixtures/probe.ts'
import { stallRun } from './fixtures/stall-run.ts'
import { until } from './fixtures/until.ts'

// A run is cancelled elsewhere at a heartbeat; ten seconds are long for a test.
vi.mock('../src/reconciler.ts', async (original) => ({ ...(await original<object>()), BEAT_MS: 300 }))

const isDecision = (words: string) => words.includes(':records:tidy:runs') && !words.includes('"outcome"')

/** A worker that only ends when its run is aborted. */
function endlessWorker(probe: Probe, name = 'tidy') {
  return probe.worker(name, rarely(), { doWork: ({ signal }) => signal.aborted || once(signal, 'abort') })
}

describe.concurrent('cancel', () => {
  it('ends a run that was triggered a moment ago', async ({ expect }) => {
    await using cluster = await TestCluster.open()
    const manager = await cluster.start([endlessWorker(new Probe())])
    for (let count = 0; count < 5; count++) {
      const runId = await manager.trigger('tidy')
      expect(await manager.cancel(runId)).toBe(true)
      expect(await untilOver(manager, runId)).toMatchObject({ outcome: 'aborted', reason: 'cancelled' })
      await cluster.runsSettle()
      expect(await manager.cancel(runId)).toBe(false)
    }
  })

  it('ends a run that is being decided here', async (test) => {
    const { expect } = test
    await using cluster = await TestCluster.open()
    const { client, hold } = holdingClient(test, cluster.redisUrl)
    const manager = await cluster.start([endlessWorker(new Probe())], { connection: client })
    const held = hold(isDecision)
    const runId = await manager.trigger('tidy')
    const decide = await held
    expect(await manager.cancel(runId, { by: 'ada' })).toBe(true)
    decide()
    expect(await untilOver(manager, runId)).toMatchObject({ outcome: 'aborted', reason: 'cancelled', by: 'ada' })
  })

  it('ends a run that is just being put off, as its worker is still starting', async (test) => {
    const { expect } = test
    await using cluster = await TestCluster.open()
    const { client, hold } = holdingClient(test, cluster.redisUrl)
    const starting = Promise.withResolvers<void>()
    test.onTestFinished(() => starting.resolve())
    const worker = Object.assign(endlessWorker(new Probe()), { start: () => starting.promise })
    await cluster.start([worker], { connection: client })
    const web = await cluster.start([], { isEnabled: false })
    const held = hold((words) => words.startsWith('hmget') && words.includes('definition:tidy'))
    const runId = await web.trigger('tidy')
    const plan = await held
    expect(await web.cancel(runId)).toBe(true)
    plan()
    expect(await untilOver(web, runId)).toMatchObject({ outcome: 'aborted', reason: 'cancelled', attempts: 0 })
  })

  it('ends a run that is being decided on another instance', async (test) => {
    const { expect } = test
    await using cluster = await TestCluster.open()
    const { client, hold } = holdingClient(test, cluster.redisUrl)
    const manager = await cluster.start([endlessWorker(new Probe())], { connection: client })
    const web = await cluster.start([], { isEnabled: false })
    const held = hold(isDecision)
    const runId = await web.trigger('tidy')
    const decide = await held
    expect(await web.cancel(runId)).toBe(true)
    decide()
    expect(await untilOver(manager, runId)).toMatchObject({ outcome: 'aborted', reason: 'cancelled' })
  })

  it('finds no run by the names of what BullMQ keeps beside its jobs', async ({ expect }) => {
    await using cluster = await TestCluster.open()
    const manager = await cluster.start([endlessWorker(new Probe())])
    const runId = await manager.trigger('tidy')
    await until('it runs', async () => (await manager.get('tidy'))?.state === 'running')
    for (const name of ['meta', 'events', 'active', 'de:tidy', `${runId}:lock`]) {
      expect(await manager.cancel(name), name).toBe(false)
    }
    expect(await manager.cancel(runId)).toBe(true)
  })

  it('ends a run that another instance has taken over from this one, where its first start goes on', async (test) => {
    const { expect } = test
    const redis = await ownRedis(test)
    await using cluster = await TestCluster.open(redis.url)
    const end = Promise.withResolvers<void>()
    test.onTestFinished(() => end.resolve())
    const signals: AbortSignal[] = []
    const deaf = () =>
      new Probe().worker('tidy', rarely(), {
        policy: { onCrash: 'recover' },
        doWork: ({ signal }) => {
          signals.push(signal)
          return end.promise
        },
      })
    const first = await cluster.start([deaf()], { concurrency: 1 })
    const runId = await first.trigger('tidy')
    await until('it runs', () => signals.length === 1)
    await cluster.start([deaf()])
    await stallRun(redis, cluster.applicationName, runId)
    await until('it runs on the other', () => signals.length === 2)
    await until('its first start is aborted', () => signals[0]?.aborted)
    expect(await first.cancel(runId)).toBe(true)
    await until('its second start is aborted', () => signals[1]?.aborted)
    expect(signals.map(({ reason }) => (reason as { code: string }).code)).toEqual(['lease-lost', 'run-cancelled'])
    end.resolve()
  })

  it('is left to the instance that has taken a run over, where its first start goes on here', async (test) => {
    const { expect } = test
    await using cluster = await TestCluster.open()
    const { doWork, activeAtOnce } = deafWork(test)
    const signals: AbortSignal[] = []
    const probe = new Probe()
    const tidy = probe.worker('tidy', rarely(), {
      doWork: ({ signal }) => {
        signals.push(signal)
        return doWork()
      },
    })
    const manager = await cluster.start([tidy, endlessWorker(probe, 'other')])
    const [taken, held] = [await manager.trigger('tidy'), await manager.trigger('other')]
    await until('both run', () => probe.calls.length === 2)
    await cluster.redis.set(cluster.key(`runs.default:${taken}:lock`), 'the other instance')
    await until('its lease is lost', () => signals[0]?.aborted)
    // An instance heeds them in this order.
    const cancels = { [taken]: `${Date.now()} ada`, [held]: `${Date.now()} ada` }
    await cluster.redis.hset(cluster.key('cancels'), cancels)
    const isHeeded = async () => (await cluster.redis.hexists(cluster.key('cancels'), held)) === 0
    await until('the other request is heeded', isHeeded)
    expect(await cluster.redis.hkeys(cluster.key('cancels'))).toEqual([taken])
    expect(activeAtOnce).toEqual([1])
  })

  it('finds no run that is over, though BullMQ has not taken its job back', async (test) => {
    const { expect } = test
    await using cluster = await TestCluster.open()
    const { client, hold } = holdingClient(test, cluster.redisUrl)
    const probe = new Probe()
    const manager = await cluster.start([endlessWorker(probe)], { connection: client })
    const web = await cluster.start([], { isEnabled: false })
    const runId = await manager.trigger('tidy')
    // One that has not started ends with its job, and there is nothing to take back.
    await expect.poll(() => probe.calls.length).toBe(1)
    const held = hold((words) => words.includes('failedReason'))
    expect(await manager.cancel(runId)).toBe(true)
    const fail = await held
    expect(await web.cancel(runId)).toBe(false)
    fail()
  })
})
