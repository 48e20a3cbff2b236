import assert from 'node:assert/strict'
import { isDeepStrictEqual } from 'node:util'
import { type RunRecord, every } from '@background-workers/abstractions'
import { describe, it } from 'vitest'
import { PATIENCE, countingWorker, faultManager, outcomeOf, ownRedis, pass } from './fixtures/fault-manager.ts'
import { Keys } from '../src/keys.ts'
import { Store } from '../src/store.ts'
import { losingRedis } from './fixtures/losing-redis.ts'
import { HOUR_MS, TestCluster, lastRareSlot, rarely, untilOver, untilRecords } from './fixtures/cluster.ts'
import { Probe } from './fixtures/probe.ts'
import { until } from './fixtures/until.ts'

describe.concurrent('when the connection breaks after Redis has executed a command, and the command is sent again', () => {
  it('a run that was won is run', async (test) => {
    const { expect } = test
    const { redis, lose } = await losingRedis(test)
    const { manager } = faultManager(test, { connection: redis })
    const tidy = countingWorker('tidy', rarely())
    await manager.add(tidy.worker)
    await manager.start()
    const lost = lose((command) => command.includes(':records:tidy:runs') && !command.includes('"outcome"'))
    const runId = await manager.trigger('tidy')
    await lost
    await expect.poll(async () => (await manager.runs('tidy'))[0], PATIENCE).toMatchObject({ outcome: 'succeeded' })
    expect(tidy.runs.map((run) => run.runId)).toEqual([runId])
    expect(await manager.get('tidy')).toMatchObject({ state: 'idle' })
  })

  it('the end of a run is counted once, and nobody is said to have taken it', async (test) => {
    const { expect } = test
    const { redis, lose } = await losingRedis(test)
    const { manager, logger } = faultManager(test, { connection: redis })
    const tidy = countingWorker('tidy', rarely(), () => Promise.reject(new Error('broken')))
    await manager.add(tidy.worker)
    await manager.start()
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
    const { redis, lose } = await losingRedis(test)
    const { manager } = faultManager(test, { connection: redis })
    const tidy = countingWorker('tidy', rarely())
    await manager.add(tidy.worker)
    await manager.start()
    const lost = lose((command) => command.includes(':metrics:completed'))
    await manager.trigger('tidy')
    await lost
    await expect.poll(() => outcomeOf(manager.trigger('tidy')), PATIENCE).toMatchObject({ code: 'resolved' })
    await expect.poll(() => tidy.runs.length, PATIENCE).toBe(2)
    await expect.poll(async () => (await manager.get('tidy'))?.state, PATIENCE).toBe('idle')
    const stopped = performance.now()
    expect(await manager.stop({ timeoutMs: 60_000 })).toMatchObject({ abandoned: [] })
    expect(performance.now() - stopped).toBeLessThan(50_000)
  })

  it('a slot that was skipped is told once', async (test) => {
    const { expect } = test
    const { redis, lose } = await losingRedis(test)
    const { manager, events } = faultManager(test, { connection: redis })
    const gate = Promise.withResolvers<void>()
    test.onTestFinished(() => gate.resolve())
    const tidy = countingWorker('tidy', rarely(), () => gate.promise)
    await manager.add(tidy.worker)
    await manager.start()
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
    const { redis, lose } = await losingRedis(test)
    const { manager, applicationName } = faultManager(test, { connection: redis })
    await manager.add(countingWorker('tidy', rarely()).worker)
    await manager.start()
    const { manager: dashboard } = faultManager(test, { applicationName, connection: redis, isEnabled: false })
    await dashboard.start()
    const lost = lose((command) => command.includes('removed:tidy') && !/hmget/i.test(command))
    const [removed] = await Promise.all([dashboard.remove('tidy'), lost])
    expect(removed).toBe(true)
    expect(await dashboard.remove('tidy')).toBe(false)
  })

  it('a second removal in the same millisecond is no repeat of the first', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    await cluster.start([probe.worker('tidy', rarely())])
    const store = new Store(cluster.redis, new Keys(cluster.applicationName), () => {})
    const now = Date.now()
    assert.deepEqual([await store.remove('tidy', now), await store.remove('tidy', now)], [true, false])
    assert.equal((await store.read('tidy')).removedAt, now)
  })

  it('the lock of those who write schedules is not lost', async (test) => {
    const { expect } = test
    const { redis, lose } = await losingRedis(test)
    const { manager } = faultManager(test, { connection: redis })
    await manager.start()
    const lost = lose((command) => command.includes(':write-lock'))
    const from = performance.now()
    await Promise.all([manager.add(countingWorker('tidy', rarely()).worker), lost])
    // Else it waits until its own lock has run out, 10 s.
    expect(performance.now() - from).toBeLessThan(9_000)
    // It is declared by then.
    expect(await manager.trigger('tidy')).toContain('tidy.m-')
  })
})

describe.concurrent('a run', () => {
  it('that was decided when a stop had given up on it stays with BullMQ, so that another instance finds it lost', async (test) => {
    const { expect } = test
    const { redis, target, hold } = await losingRedis(test)
    const { manager, applicationName } = faultManager(test, { connection: redis })
    const tidy = countingWorker('tidy', rarely())
    await manager.add(tidy.worker)
    await manager.start()
    // The script is known to Redis from then on.
    await manager.trigger('tidy')
    await expect.poll(async () => (await manager.runs('tidy'))[0], PATIENCE).toMatchObject({ outcome: 'succeeded' })
    const held = hold((command) => command.includes(':records:tidy:runs') && !command.includes('"outcome"'))
    const runId = await manager.trigger('tidy')
    const release = await held
    const stopping = manager.stop({ timeoutMs: 100 })
    await pass(800)
    release()
    await stopping
    expect(tidy.runs).toHaveLength(1)
    expect(await target.cli('lrange', `{${applicationName}}:runs.default:active`, '0', '-1')).toBe(runId)
  })

  it('that has started does not wait for its jitter any more, however late its tick says so', async () => {
    await using cluster = await TestCluster.open()
    const store = new Store(cluster.redis, new Keys(cluster.applicationName), () => {})
    const slot = Date.now()
    const record = {
      runId: `digest.${slot}`,
      worker: 'digest',
      kind: 'scheduled',
      scheduledFor: new Date(slot),
      attempts: 1,
      instanceId: 'one',
    } as const
    const claim = { token: 'default/one/1', slot, keepRuns: 100, isRecovery: false, wasWaiting: false }
    assert.equal(await store.decideRun(record, claim), true)
    await store.raiseDecided('digest', slot, record)
    const { waiting, decidedUpTo } = await store.read('digest')
    assert.deepEqual([waiting, decidedUpTo], [undefined, slot])
  })

  it('whose lease was lost keeps the guard while its doWork is active here, and ends undisturbed', async (test) => {
    const { expect } = test
    const redis = await ownRedis(test)
    const { manager, applicationName } = faultManager(test, { connection: redis.url })
    const release = Promise.withResolvers<void>()
    test.onTestFinished(() => release.resolve())
    let active = 0
    let most = 0
    const long = countingWorker(
      'long',
      rarely(),
      async () => {
        most = Math.max(most, ++active)
        await release.promise
        active--
      },
      { onCrash: 'recover' },
    )
    await manager.add(long.worker)
    await manager.start()
    const runId = await manager.trigger('long')
    await expect.poll(() => long.runs.length, PATIENCE).toBe(1)
    // What the stalled check does with a job whose lock has run out.
    const queue = `{${applicationName}}:runs.default`
    await redis.cli('hincrby', `${queue}:${runId}`, 'stc', '1')
    await redis.cli('del', `${queue}:${runId}:lock`)
    await redis.cli('lrem', `${queue}:active`, '1', runId)
    await redis.cli('rpush', `${queue}:wait`, runId)
    await redis.cli('zadd', `${queue}:marker`, '0', '0')
    await pass(3_000)
    expect(await outcomeOf(manager.trigger('long'))).toMatchObject({ code: 'worker-busy' })
    release.resolve()
    await expect.poll(() => outcomeOf(manager.trigger('long')), PATIENCE).toMatchObject({ code: 'resolved' })
    await expect.poll(async () => (await manager.get('long'))?.state, PATIENCE).toBe('idle')
    expect(most).toBe(1)
    const stopped = performance.now()
    await manager.stop({ timeoutMs: 60_000 })
    expect(performance.now() - stopped).toBeLessThan(50_000)
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

describe.concurrent('a worker that fails again and again', () => {
  it('is healthy where it failed when it has succeeded elsewhere', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const doWork = () => Promise.reject(new Error('broken'))
    const failing = await cluster.start([probe.worker('digest', rarely(), { on: 'failing', doWork })])
    for (let failures = 0; failures < 3; failures++) await untilOver(failing, await failing.trigger('digest'))
    const isFailing = async () => (await failing.health()).reasons.some(({ code }) => code === 'failing')
    await until('it is failing', isFailing)
    // As if another instance had run it.
    await cluster.redis.hset(cluster.key('workers'), 'failures:digest', '0')
    await failing.pause('digest')
    await until('it is not failing', async () => !(await isFailing()))
  })
})

describe.concurrent('a worker whose queue has changed', () => {
  it('runs again when its run died on the former queue, which nobody takes any more', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const slot = lastRareSlot()
    const policy = { catchUpWindowMs: 48 * HOUR_MS }
    const manager = await cluster.start([probe.worker('digest', rarely(), { policy })])
    const record = {
      runId: 'digest.m-1',
      worker: 'digest',
      kind: 'manual',
      scheduledFor: new Date(),
      startedAt: new Date(),
      attempts: 1,
      instanceId: 'dead',
    }
    await cluster.redis.hset(
      cluster.key('workers'),
      'active:digest',
      `former/dead/1\nrunning\n${JSON.stringify(record)}`,
    )
    await cluster.setDecided('digest', slot - 1)
    await cluster.deliverTick('digest', slot)
    const records = await untilRecords(manager, 'digest', ([latest]) => latest?.outcome === 'succeeded')
    assert.deepEqual(
      records.map(({ runId, outcome }) => [runId, outcome]),
      [
        [`digest.${slot}`, 'succeeded'],
        ['digest.m-1', 'lost'],
      ],
    )
  })

  it('is not triggered while a run is active on the former queue', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const gate = Promise.withResolvers<void>()
    const work = { doWork: () => gate.promise }
    const former = await cluster.start([probe.worker('digest', rarely(), { policy: { queue: 'former' }, ...work })], {
      release: 1,
      queues: ['former'],
    })
    const runId = await former.trigger('digest')
    await until('it runs', () => probe.calls.length === 1)
    const latter = await cluster.start([probe.worker('digest', rarely(), work)], { release: 2 })
    await assert.rejects(latter.trigger('digest'), { code: 'worker-busy', activeRunId: runId })
    gate.resolve()
    await until('it may run again', () => latter.trigger('digest').catch(() => false))
  })
})
