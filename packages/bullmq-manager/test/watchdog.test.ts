import type { HealthReason, ManagerEvents } from '@background-workers/abstractions'
import { RecordingLogger } from '@background-workers/abstractions/testing'
import { describe, expect, it, vi } from 'vitest'
import type { BullMqBackgroundWorkerManager } from '../src/index.ts'
import { DAY_MS, TestCluster, listen, rarely, untilOver } from './fixtures/cluster.ts'
import { isOfSlowMachine } from './fixtures/fault-manager.ts'
import { Probe } from './fixtures/probe.ts'
import { until } from './fixtures/until.ts'

// What others do is seen at a heartbeat.
vi.mock('../src/reconciler.ts', async (original) => ({ ...(await original<object>()), BEAT_MS: 300 }))

const named = ({ code, worker }: Pick<HealthReason, 'code' | 'worker'>) => `${code} ${worker}`

async function reasonsOf(manager: BullMqBackgroundWorkerManager): Promise<string[]> {
  const { reasons } = await manager.health()
  return reasons.filter((reason) => !isOfSlowMachine(reason)).map(named)
}

/** The reasons that a manager tells from now on, but for those of a slow machine. */
function listenToReasons<Event extends 'health-reason-added' | 'health-reason-cleared'>(
  manager: BullMqBackgroundWorkerManager,
  event: Event,
): ManagerEvents[Event][] {
  const told: ManagerEvents[Event][] = []
  manager.on(event, (reason) => {
    if (!isOfSlowMachine(reason)) told.push(reason)
  })
  return told
}

/** What an instance without workers is told, and what the one with the worker tells as it comes and goes. */
async function startWatched(cluster: TestCluster, probe: Probe) {
  const logger = new RecordingLogger()
  const manager = await cluster.start([probe.worker('digest', rarely())], { logger })
  const added = listenToReasons(manager, 'health-reason-added')
  const cleared = listenToReasons(manager, 'health-reason-cleared')
  const web = await cluster.start([], { isEnabled: false })
  return { manager, web, logger, added, cleared }
}

/** Changes what is stored of the worker as time or an accident would, and lets the instances look at it. */
async function change(cluster: TestCluster, fields: Record<string, string> = {}): Promise<void> {
  if (Object.keys(fields).length > 0) await cluster.redis.hset(cluster.key('workers'), fields)
  await cluster.redis.hincrby(cluster.key('workers'), 'version', 1)
}

/** Lets the instances look, with this change, until something is told: one that has just started does not judge yet. */
async function untilTold(cluster: TestCluster, told: readonly unknown[], fields?: Record<string, string>) {
  await until('it is told', async () => {
    if (told.length > 0) return true
    await change(cluster, fields)
    return false
  })
}

describe.concurrent('what is wrong with a worker, by what Redis holds', () => {
  it('never ran: two slots were decided, and nothing of it has run', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const { manager, web, logger, added, cleared } = await startWatched(cluster, probe)
    await change(cluster, { 'recent:digest': 'm' })
    expect(await reasonsOf(web)).toEqual([])
    await change(cluster, { 'recent:digest': 'mk' })
    expect(await reasonsOf(web)).toEqual(['never-ran digest'])
    expect((await web.health()).status).toBe('degraded')

    await untilTold(cluster, added)
    expect(added.map(named)).toEqual(['never-ran digest'])
    expect(logger.lines.filter(({ data }) => data.code === 'never-ran')).toHaveLength(1)

    await untilOver(manager, await manager.trigger('digest'))
    await until('that is over', () => cleared.length > 0)
    expect([...cleared.map(named), ...(await reasonsOf(web))]).toEqual(['never-ran digest'])
  })

  it('lost: the process of a run died, until a run succeeds', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const { manager, web, added, cleared } = await startWatched(cluster, probe)
    await untilOver(manager, await manager.trigger('digest'))
    await change(cluster, { 'recent:digest': 'slf', 'failures:digest': '2' })
    expect(await reasonsOf(web)).toEqual(['lost digest'])
    await until('it is told', () => added.length > 0)
    expect(added.map(named)).toEqual(['lost digest'])
    await untilOver(manager, await manager.trigger('digest'))
    await until('that is over', () => cleared.length > 0)
    expect(await reasonsOf(web)).toEqual([])
  })

  it('no handler: nobody takes its queue, until somebody does', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const report = () => probe.worker('report', rarely(), { policy: { queue: 'heavy' } })
    const light = await cluster.start([report()])
    const web = await cluster.start([], { isEnabled: false })
    const added = listenToReasons(light, 'health-reason-added')
    const cleared = listenToReasons(light, 'health-reason-cleared')
    expect(await reasonsOf(web)).toEqual(['no-handler report'])
    await untilTold(cluster, added)
    expect(added.map(named)).toEqual(['no-handler report'])
    await cluster.start([report()], { queues: ['heavy'] })
    await until('it is known', () => cleared.length > 0)
    expect([...cleared.map(named), ...(await reasonsOf(web))]).toEqual(['no-handler report'])
  })

  it('no next slot: a job scheduler of its name is not ours, until that is gone', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    await cluster.redis.zadd(cluster.key('ticks:repeat'), Date.now() + DAY_MS, 'digest')
    await cluster.redis.hset(cluster.key('ticks:repeat:digest'), { every: String(DAY_MS), data: '{"theirs":1}' })
    const { manager, logger, added, cleared } = await startWatched(cluster, probe)
    expect(await manager.get('digest')).not.toHaveProperty('nextDueAt')
    await untilTold(cluster, added)
    expect(added).toMatchObject([
      { code: 'no-next-slot', worker: 'digest', message: expect.stringContaining('not ours') },
    ])
    expect(logger.lines.filter(({ message }) => message?.includes('is not ours'))).toHaveLength(1)

    await cluster.redis.del(cluster.key('ticks:repeat:digest'))
    await cluster.redis.zrem(cluster.key('ticks:repeat'), 'digest')
    await until('it has ticks of its own', () => cleared.length > 0)
    expect(await reasonsOf(manager)).toEqual([])
    expect((await manager.get('digest'))?.nextDueAt).toBeInstanceOf(Date)
  })

  it('overdue: a slot that nobody has decided is told with its time, and then decided', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const { manager, added, cleared } = await startWatched(cluster, probe)
    const overdue = listen(manager, 'worker-overdue')
    const decidedUpTo = Date.now() - 3 * DAY_MS
    await untilTold(cluster, overdue, { 'decided:digest': String(decidedUpTo) })
    const [event] = overdue
    expect(event?.worker).toBe('digest')
    expect(event?.dueAt.getTime()).toBeGreaterThan(decidedUpTo)
    expect(event?.dueAt.getTime()).toBeLessThan(Date.now())
    expect(added.map(named)).toEqual(['overdue digest'])
    await until('that is over', () => cleared.length > 0)
    expect([...cleared.map(named), ...(await reasonsOf(manager))]).toEqual(['overdue digest'])
  })

  it('orphaned, overdue and failing are told by an instance that has no worker, too', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const { web } = await startWatched(cluster, probe)
    const threeDaysAgo = Date.now() - 3 * DAY_MS
    // Nobody is told to look, so nobody repairs it.
    await cluster.redis.hset(cluster.key('workers'), { 'decided:digest': String(threeDaysAgo), 'failures:digest': '3' })
    const { status, reasons } = await web.health()
    expect(status).toBe('unhealthy')
    expect((await reasonsOf(web)).toSorted()).toEqual(['failing digest', 'overdue digest'])
    expect(reasons.every((reason) => !('dueAt' in reason))).toBe(true)
    await cluster.redis.hset(cluster.key('workers'), {
      'orphaned:digest': String(threeDaysAgo),
      'failures:digest': '0',
    })
    expect(await reasonsOf(web)).toEqual(['orphaned digest'])
  })
})

describe.concurrent('a worker that fails again and again', () => {
  it('is not told of when it was removed before its third run has failed', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const gate = Promise.withResolvers<void>()
    const doWork = async () => {
      if (probe.calls.length === 3) await gate.promise
      throw new Error('broken')
    }
    const manager = await cluster.start([probe.worker('digest', rarely(), { doWork })])
    const added = listenToReasons(manager, 'health-reason-added')
    for (let failures = 0; failures < 2; failures++) await untilOver(manager, await manager.trigger('digest'))
    await manager.trigger('digest')
    await until('its third run is active', () => probe.calls.length === 3)
    await manager.remove('digest')
    gate.resolve()
    await until('that has failed', async () => (await cluster.storedWorkers())['failures:digest'] === '3')
    await cluster.runsSettle()
    expect(added).toEqual([])
  })

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
