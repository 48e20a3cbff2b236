import { isDeepStrictEqual } from 'node:util'
import { type RunRecord, every } from '@background-workers/abstractions'
import { describe, it } from 'vitest'
import { Keys } from '../src/keys.ts'
import { createClient } from '../src/redis-client.ts'
import { Store } from '../src/store.ts'
import { claimedRun } from './fixtures/claimed-run.ts'
import { TestCluster, lastRareSlot, rarely } from './fixtures/cluster.ts'
import { PATIENCE, countingWorker, faultManager, outcomeOf } from './fixtures/fault-manager.ts'
import { losingRedis, startOnLosingRedis } from './fixtures/losing-redis.ts'
import { Probe } from './fixtures/probe.ts'
import { WriteWatch } from './fixtures/watch-writes.ts'

describe.concurrent('when the connection breaks after Redis has executed a command, and the command is sent again', () => {
  it('a run that was won is run', async (test) => {
    const { expect } = test
    const { manager, lose, runs } = await startOnLosingRedis(test)
    const lost = lose((command) => command.includes(':records:tidy:runs') && !command.includes('"outcome"'))
    const runId = await manager.trigger('tidy')
    await lost
    await expect.poll(async () => (await manager.runs('tidy'))[0], PATIENCE).toMatchObject({ outcome: 'succeeded' })
    expect(runs.map((run) => run.runId)).toEqual([runId])
    expect(await manager.get('tidy')).toMatchObject({ state: 'idle' })
  })

  it('the end of a run is counted once, and nobody is said to have taken it', async (test) => {
    const { expect } = test
    const { manager, logger, lose } = await startOnLosingRedis(test, () => Promise.reject(new Error('broken')))
    const lost = lose((command) => command.includes(':records:tidy:runs') && command.includes('"outcome"'))
    await manager.trigger('tidy')
    await lost
    await expect.poll(async () => (await manager.runs('tidy'))[0], PATIENCE).toMatchObject({ outcome: 'failed' })
    await expect.poll(() => outcomeOf(manager.trigger('tidy')), PATIENCE).toMatchObject({ code: 'resolved' })
    await expect.poll(() => manager.get('tidy'), PATIENCE).toMatchObject({ consecutiveFailures: 2 })
    expect(await manager.get('tidy')).toMatchObject({ recentOutcomes: ['failed', 'failed'] })
    expect(logger.count('taken from this instance')).toBe(0)
  })

  it('a stop does not wait for a job that is long done', async (test) => {
    const { expect } = test
    const { manager, lose, runs } = await startOnLosingRedis(test)
    const lost = lose((command) => command.includes(':metrics:completed'))
    await manager.trigger('tidy')
    await lost
    await expect.poll(() => outcomeOf(manager.trigger('tidy')), PATIENCE).toMatchObject({ code: 'resolved' })
    await expect.poll(() => runs.length, PATIENCE).toBe(2)
    await expect.poll(async () => (await manager.get('tidy'))?.state, PATIENCE).toBe('idle')
    const stopped = performance.now()
    expect(await manager.stop({ timeoutMs: 60_000 })).toMatchObject({ abandoned: [] })
    expect(performance.now() - stopped).toBeLessThan(50_000)
  })

  it('a slot that was skipped is told once', async (test) => {
    const { expect } = test
    const gate = Promise.withResolvers<void>()
    test.onTestFinished(() => gate.resolve())
    const { manager, events, lose } = await startOnLosingRedis(test, () => gate.promise)
    await manager.trigger('tidy')
    const lost = lose((command) => command.includes(':records:tidy:non-runs'))
    await manager.reschedule('tidy', every(1_000))
    await lost
    const told = () =>
      events.flatMap(({ name, payload }) => (name === 'run-skipped' ? [(payload as RunRecord).runId] : []))
    await expect.poll(() => told().length, PATIENCE).toBeGreaterThan(1)
    await manager.reschedule('tidy', undefined)
    const stored = async () => {
      const [records, status] = [await manager.runs('tidy'), await manager.get('tidy')]
      const runIds = records.flatMap(({ outcome, runId }) => (outcome === 'skipped' ? [runId] : []))
      return { runIds: runIds.toSorted(), outcomes: status?.recentOutcomes }
    }
    const isTold = async () =>
      isDeepStrictEqual(await stored(), { runIds: told().toSorted(), outcomes: told().map(() => 'skipped') })
    await expect.poll(isTold, PATIENCE).toBe(true)
  })

  it('a worker that was removed is said to be removed', async (test) => {
    const { expect } = test
    const { redis, applicationName, lose } = await startOnLosingRedis(test)
    const { manager: dashboard } = faultManager(test, { applicationName, connection: redis, isEnabled: false })
    await dashboard.start()
    const lost = lose((command) => command.includes('removed:tidy') && !/hmget/i.test(command))
    const [removed] = await Promise.all([dashboard.remove('tidy'), lost])
    expect(removed).toBe(true)
    expect(await dashboard.remove('tidy')).toBe(false)
  })

  it('a second removal in the same millisecond is no repeat of the first', async ({ expect }) => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    await cluster.start([probe.worker('tidy', rarely())])
    const store = cluster.store()
    const now = Date.now()
    expect([await store.remove('tidy', now), await store.remove('tidy', now)]).toEqual([true, false])
    expect((await store.read('tidy')).removedAt).toBe(now)
  })

  it('a run that was found lost is told', async (test) => {
    const { redis, lose } = await losingRedis(test)
    const client = createClient(redis)
    test.onTestFinished(() => client.disconnect())
    const store = new Store(client, new Keys('shop'), () => {})
    const { record, claim } = claimedRun(lastRareSlot())
    await store.decideRun(record, claim)
    const answerLost = lose((command) => command.includes('"outcome":"lost"'))
    const told = store.finishRun({ ...record, outcome: 'lost' }, claim.token, 100, true)
    await answerLost
    test.expect(await told).toBe(1)
  })

  it('a run that was taken back is known to be', async (test) => {
    const { redis, lose } = await losingRedis(test)
    const client = createClient(redis)
    test.onTestFinished(() => client.disconnect())
    const store = new Store(client, new Keys('shop'), () => {})
    const slot = lastRareSlot()
    const { record, claim } = claimedRun(slot)
    await store.decideRun(record, claim)
    const answerLost = lose((command) => command.includes(`digest.${slot}`))
    const takenBack = store.undecideRun(record, claim)
    await answerLost
    test.expect(await takenBack).toBe(true)
    await store.decideRun(record, claim)
    await store.finishRun({ ...record, outcome: 'succeeded' }, claim.token, 100, true)
    test.expect(await store.undecideRun(record, claim)).toBe(false)
  })

  it('a run that another instance finds lost in the same millisecond is told once', async ({ expect }) => {
    await using cluster = await TestCluster.open()
    const store = cluster.store()
    const { record, claim } = claimedRun(lastRareSlot())
    expect(await store.decideRun(record, claim)).toEqual({ lastSucceededAtMs: undefined })
    const lost = { ...record, finishedAt: new Date(), outcome: 'lost', reason: 'crash' } as const
    const finish = () => store.finishRun(lost, claim.token, 100, true)
    expect([await finish(), await finish()]).toEqual([1, undefined])
    const { lastRun, consecutiveFailures } = await store.read('digest')
    expect([lastRun, consecutiveFailures]).toEqual([lost, 1])
    expect(await store.records('digest', undefined)).toEqual([lost])
  })

  it('the lock of those who write schedules is not lost', async (test) => {
    const { expect } = test
    const { manager, target, lose } = await startOnLosingRedis(test)
    await using watch = await WriteWatch.open(target.url)
    const lost = lose((command) => command.includes(':write-lock'))
    await Promise.all([manager.add(countingWorker('late', rarely()).worker), lost])
    // Else it waits until its own lock has run out.
    const writes = (await watch.takeWrites()).filter((write) => write.endsWith(':write-lock'))
    expect(writes).not.toEqual([])
    expect(writes.filter((write) => write.startsWith('expired '))).toEqual([])
    // It is declared by then.
    expect(await manager.trigger('late')).toContain('late.m-')
  })
})

describe.concurrent('an add that got no answer', () => {
  it('leaves the worker undeclared by this instance', async (test) => {
    const { expect } = test
    const { redis, target, hold } = await losingRedis(test)
    const { manager, applicationName } = faultManager(test, { connection: redis, commandTimeoutMs: 500 })
    await manager.start()
    const held = hold((command) => command.includes(':instances:names') && command.includes('late'))
    const adding = outcomeOf(manager.add(countingWorker('late', rarely()).worker))
    const release = await held
    expect(await adding).toMatchObject({ code: 'store-unavailable' })
    const names = () => target.cli('hvals', `{${applicationName}}:instances:names`)
    expect(await names()).toContain('late')
    release()
    await expect.poll(names, PATIENCE).not.toContain('late')
  })
})
