import { cron, every } from '@background-workers/abstractions'
import { RecordingLogger } from '@background-workers/abstractions/testing'
import { sharedRedis, startTcpProxy } from 'test-redis'
import { describe, expect, it, vi } from 'vitest'
import type { BullMqBackgroundWorkerManager } from '../src/index.ts'
import { TestCluster, listen, rarely, untilOver } from './fixtures/cluster.ts'
import { isOfSlowMachine } from './fixtures/fault-manager.ts'
import { Probe } from './fixtures/probe.ts'
import { passed, until } from './fixtures/until.ts'

// A worker is orphaned after 2 s without an instance that declares it, in place of 30 s; an instance beats four times a
// second, in place of every ten seconds. When an instance counts as dead (30 s) is left: the tests age its heartbeat.
vi.mock('../src/instances.ts', async (original) => ({ ...(await original<object>()), DEAD_AFTER_MS: 2_000 }))
vi.mock('../src/reconciler.ts', async (original) => ({ ...(await original<object>()), BEAT_MS: 250 }))

const OLD_CRON = cron('0 0 29 2 *')
const NEW_CRON = cron('0 1 29 2 *')

describe.concurrent('two releases side by side', () => {
  it('the higher one stands while instances of the lower one live, restart and reconcile', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const [old, other] = await Promise.all([bootOld(cluster, probe), bootOld(cluster, probe)])
    const repairs = [old, other].map((instance) => listen(instance, 'schedules-repaired'))

    const next = await bootNew(cluster, probe)
    await expectNewInForce(next)
    await untilOrphaned(cluster, next, 'gone')
    const stored = await definitions(cluster)
    const schedulers = await cluster.storedSchedulers()

    await other.stop()
    const again = await bootOld(cluster, probe)
    // An instance of release 1 that joins late, as when a machine comes back.
    await bootOld(cluster, probe)
    await passed(Date.now() + 2_000)

    for (const instance of [old, again, next]) await expectNewInForce(instance)
    expect(await definitions(cluster)).toEqual(stored)
    expect(await cluster.storedSchedulers()).toEqual(schedulers)
    expect(repairs.flat()).toEqual([])
    expect(Object.keys(schedulers).toSorted()).toEqual(['added', 'changed', 'same'])
  })

  it('no run of a worker that only the higher one has lands on the lower one, nor one that only the lower one has anywhere', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const old = await cluster.start([probe.worker('gone', every('1s'), { on: 'r1' })], { release: 1 })
    await until('it runs in release 1', () => probe.callsOf('gone').length > 0)
    const next = await cluster.start([probe.worker('added', every('1s'), { on: 'r2' })], { release: 2 })
    await untilOrphaned(cluster, next, 'gone')
    await cluster.settles('gone')
    const calls = probe.callsOf('gone').length
    await until('a run of the new worker has come to release 1 and gone back', async () =>
      (await old.health()).reasons.some(({ code, worker }) => code === 'no-handler' && worker === 'added'),
    )
    await passed(Date.now() + 1_500)
    await old.stop()
    await until('the new worker runs', () => probe.callsOf('added').length >= 2)

    expect(probe.callsOf('gone')).toHaveLength(calls)
    expect(probe.callsOf('added').every(({ on }) => on === 'r2')).toBe(true)
    expect(Object.keys(await cluster.storedSchedulers())).toEqual(['added'])
  })

  it('a worker that one instance adds at run time is known to the others, and none orphans it', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const one = await cluster.start([probe.worker('same', rarely())], { release: 3 })
    const other = await cluster.start([probe.worker('same', rarely())], { release: 3 })
    const orphaned = [one, other].map((instance) => listen(instance, 'worker-orphaned'))
    await one.add(probe.worker('late', rarely()))
    await passed(Date.now() + 3_000)
    expect(orphaned.flat()).toEqual([])
    expect((await other.list()).map(({ name, state }) => [name, state])).toEqual([
      ['same', 'idle'],
      ['late', 'idle'],
    ])
  })

  it('of two instances of one release with different code the one that started later wins, and stays', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    await cluster.start([probe.worker('digest', OLD_CRON)])
    const later = await cluster.start([probe.worker('digest', NEW_CRON)])
    const versions: unknown[] = []
    for (const endsAt = Date.now() + 1_500; Date.now() < endsAt; await passed(Date.now() + 100)) {
      versions.push((await later.get('digest'))?.schedule?.declared)
    }
    expect(new Set(versions.map((version) => JSON.stringify(version)))).toEqual(new Set([JSON.stringify(NEW_CRON)]))
  })
})

describe.concurrent('a release that is rolled back', () => {
  it('leaves the lower one in force, and what only it had is orphaned and deleted after its grace', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const logger = new RecordingLogger()
    const orphanGraceMs = 5_000
    const old = await bootOld(cluster, probe, { orphanGraceMs, logger })
    const orphaned = listen(old, 'worker-orphaned')
    const next = await bootNew(cluster, probe)
    await untilOver(next, await triggerSoon(next, 'same'))
    await until('it is recorded', async () => (await next.runs('same')).length === 1)

    await next.stop()

    await until('release 1 is in force', async () => (await declared(old, 'changed')) === JSON.stringify(OLD_CRON))
    await until('the new worker is orphaned', () => orphaned.some(({ worker }) => worker === 'added'))
    const { reasons } = await old.health()
    expect(reasons.filter((reason) => !isOfSlowMachine(reason))).toMatchObject([{ code: 'orphaned', worker: 'added' }])
    // Whatever leads to the next full check: an instance that joins, a control call, or five quiet minutes.
    await passed(Date.now() + orphanGraceMs + 100)
    await old.reschedule('same', undefined)
    await until('it is deleted', () => logger.linesOf('orphaned worker deleted with its records').length > 0)
    expect(await old.get('added')).toBeUndefined()

    expect((await old.list()).map(({ name, state }) => `${name} ${state}`).toSorted()).toEqual([
      'changed idle',
      'gone idle',
      'same idle',
    ])
    expect(Object.keys(await cluster.storedSchedulers()).toSorted()).toEqual(['changed', 'gone', 'same'])
    expect(Object.keys(await cluster.storedWorkers()).filter((field) => field.endsWith(':added'))).toEqual([])
    expect(await cluster.redis.keys(cluster.key('records:added*').replaceAll(/[{}]/g, '?'))).toEqual([])
    expect(logger.linesOf('orphaned worker deleted with its records')).toHaveLength(1)
    // What both have kept its history through both changes.
    expect(await old.runs('same')).toHaveLength(1)
  })

  it('counts as gone when its instances have died, by their last heartbeat', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const old = await bootOld(cluster, probe)
    // A dead process: it beat once, a minute ago, and left everything as it was.
    const next = await bootNew(cluster, probe)
    await expectNewInForce(next)
    const beats = await cluster.redis.hgetall(cluster.key('instances'))
    const names = await cluster.redis.hgetall(cluster.key('instances:names'))
    const dead = Object.keys(beats).find((id) => beats[id]?.includes('"release":2')) as string
    await next.stop()
    const [seenAt, ...rest] = (beats[dead] as string).split(' ')
    await cluster.redis.hset(cluster.key('instances'), dead, [Number(seenAt) - 29_000, ...rest].join(' '))
    await cluster.redis.hset(cluster.key('instances:names'), dead, names[dead] as string)

    await until('release 1 is in force', async () => (await declared(old, 'changed')) === JSON.stringify(OLD_CRON))
    expect((await old.health()).instances?.map(({ release }) => release)).toEqual([1])
  })

  it('gives an orphan back with its records, its pause and its history when the worker comes back within its grace', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const old = await bootOld(cluster, probe)
    await untilOver(old, await old.trigger('gone'))
    await old.pause('gone', { note: 'audit' })
    const next = await bootNew(cluster, probe)
    await untilOrphaned(cluster, next, 'gone')
    expect((await next.get('gone'))?.nextDueAt).toBeUndefined()
    expect(await next.runs('gone')).toHaveLength(1)

    await next.stop()

    await until('it is back', async () => (await old.get('gone'))?.state === 'paused')
    expect(await old.get('gone')).toMatchObject({ paused: { note: 'audit' }, lastRun: { outcome: 'succeeded' } })
    expect(await old.runs('gone')).toHaveLength(1)
    await until('its schedule is back', async () => 'gone' in (await cluster.storedSchedulers()))
    await old.resume('gone')
    await untilOver(old, await old.trigger('gone'))
  })
})

describe.concurrent('after an outage that was longer than an instance without a heartbeat lives', () => {
  it('an instance of the lower release that is back first gives those of the higher one time to come back', async () => {
    await using ways = await waysToRedis()
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const { toOld, toNew } = ways
    const old = await bootOld(cluster, probe, { connection: toOld.url })
    const next = await bootNew(cluster, probe, { connection: toNew.url })
    await untilOrphaned(cluster, next, 'gone')
    for (const way of [toOld, toNew]) {
      way.refuse()
      way.cut()
    }
    // The silence that an instance notices of its own, and the end of what was under way.
    await passed(Date.now() + 2_000)
    await age(cluster, 40_000)

    const backAt = Date.now()
    await toOld.accept()
    await until('release 1 is in force', async () => (await declared(old, 'changed')) === JSON.stringify(OLD_CRON))

    const decided = await cluster.redis.hget(cluster.key('workers'), 'decided:changed')
    expect(Number(decided)).toBeGreaterThanOrEqual(backAt + 2_000)
    await toNew.accept()
    await until('release 2 is in force', async () => (await declared(old, 'changed')) === JSON.stringify(NEW_CRON))
  })
})

/** A way to Redis for each of two instances, to break connections with. */
async function waysToRedis() {
  const { url } = await sharedRedis()
  const [toOld, toNew] = await Promise.all([startTcpProxy(url), startTcpProxy(url)])
  return { toOld, toNew, [Symbol.asyncDispose]: async () => void (await Promise.all([toOld.close(), toNew.close()])) }
}

/** Makes all heartbeats so much older. */
async function age(cluster: TestCluster, ms: number): Promise<void> {
  const beats = Object.entries(await cluster.redis.hgetall(cluster.key('instances')))
  for (const [id, beat] of beats) {
    const [seenAt, ...rest] = beat.split(' ')
    await cluster.redis.hset(cluster.key('instances'), id, [Number(seenAt) - ms, ...rest].join(' '))
  }
}

function bootOld(cluster: TestCluster, probe: Probe, options: Parameters<TestCluster['start']>[1] = {}) {
  const workers = [probe.worker('same', rarely()), probe.worker('changed', OLD_CRON), probe.worker('gone', rarely())]
  return cluster.start(workers, { release: 1, ...options })
}

function bootNew(cluster: TestCluster, probe: Probe, options: Parameters<TestCluster['start']>[1] = {}) {
  const workers = [probe.worker('same', rarely()), probe.worker('changed', NEW_CRON), probe.worker('added', rarely())]
  return cluster.start(workers, { release: 2, ...options })
}

async function expectNewInForce(manager: BullMqBackgroundWorkerManager): Promise<void> {
  expect(await declared(manager, 'changed')).toBe(JSON.stringify(NEW_CRON))
  expect((await manager.get('added'))?.state).toBe('idle')
}

async function declared(manager: BullMqBackgroundWorkerManager, worker: string): Promise<string> {
  return JSON.stringify((await manager.get(worker))?.schedule?.declared)
}

/** Waits until a worker is orphaned, and has no ticks any more. */
async function untilOrphaned(
  cluster: TestCluster,
  manager: BullMqBackgroundWorkerManager,
  worker: string,
): Promise<void> {
  await until(`${worker} is orphaned`, async () => (await manager.get(worker))?.state === 'orphaned')
  await until(`${worker} has no ticks`, async () => !(worker in (await cluster.storedSchedulers())))
}

async function definitions(cluster: TestCluster): Promise<Record<string, string>> {
  const fields = Object.entries(await cluster.storedWorkers())
  return Object.fromEntries(fields.filter(([field]) => field.startsWith('definition:')))
}

function triggerSoon(manager: BullMqBackgroundWorkerManager, worker: string): Promise<string> {
  return until(`${worker} can be triggered`, () => manager.trigger(worker).catch(() => undefined))
}
