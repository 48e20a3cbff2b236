import { cron, every } from '@background-workers/abstractions'
import { RecordingLogger } from '@background-workers/abstractions/testing'
import { describe, expect, it } from 'vitest'
import {
  HOUR_MS,
  TestCluster,
  dailyAt,
  decidedSlots,
  hourlyAt,
  rarely,
  slotsFrom,
  untilOver,
  untilRecords,
} from './fixtures/cluster.ts'
import { ownRedis } from './fixtures/fault-manager.ts'
import { Probe } from './fixtures/probe.ts'
import { passed, until } from './fixtures/until.ts'
import { WriteWatch } from './fixtures/watch-writes.ts'

describe.concurrent('a restart of the application', () => {
  it('keeps definitions, slots, pauses, overrides and records', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const schedule = rarely()
    const workers = () => [
      probe.worker('digest', schedule, { policy: { keepRuns: 5, catchUpWindowMs: 60_000 } }),
      probe.worker('paused', schedule),
      probe.worker('moved', schedule),
      probe.worker('yearly', cron('0 3 29 2 *', { timeZone: 'Europe/Berlin' })),
      probe.worker('failing', schedule, { doWork: () => Promise.reject(new Error('no')) }),
    ]
    const before = await cluster.start(workers())
    await before.pause('paused', { note: 'audit', by: 'ada' })
    await before.reschedule('moved', cron('0 0 29 2 *'), { by: 'ada' })
    for (const name of ['digest', 'failing', 'paused']) await untilOver(before, await before.trigger(name))
    await cluster.runsSettle()
    const fields = await cluster.storedWorkers()
    const schedulers = await cluster.storedSchedulers()
    const list = await before.list()
    const records = await Promise.all(list.map(({ name }) => before.runs(name)))
    await before.stop()

    const after = await cluster.start(workers())

    expect(await after.list()).toEqual(list)
    expect(await Promise.all(list.map(({ name }) => after.runs(name)))).toEqual(records)
    expect(await cluster.storedWorkers()).toEqual(fields)
    expect(await cluster.storedSchedulers()).toEqual(schedulers)
    expect(records.map(({ length }) => length)).toEqual([1, 1, 0, 0, 1])
    expect(list.map(({ state }) => state)).toEqual(['idle', 'paused', 'idle', 'idle', 'idle'])
  })

  it('decides the slots that came due meanwhile once for each worker, by its policy', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const frequent = () => probe.worker('frequent', every('1s'))
    const workers = (slot: Date) => [
      probe.worker('hourly', hourlyAt(slot)),
      probe.worker('cron', dailyAt(slot)),
      probe.worker('skipping', hourlyAt(slot), { policy: { misfire: 'skip' } }),
      probe.worker('cron-skipping', dailyAt(slot), { policy: { misfire: 'skip' } }),
      probe.worker('beyond', hourlyAt(slot), { policy: { catchUpWindowMs: 1_000 } }),
      probe.worker('paused', hourlyAt(slot)),
      frequent(),
      probe.worker('rare', rarely()),
    ]
    const before = await cluster.start([frequent(), probe.worker('paused', rarely())])
    await before.pause('paused')
    await until('the frequent one has run', () => probe.calls.length > 0)
    await before.stop()
    const at = await cluster.passSlot(workers)
    const callsBefore = probe.calls.length
    await passed(at.getTime() + 2_500)

    const after = await cluster.start(workers(at))
    const startedAt = Date.now()
    for (const name of ['hourly', 'cron']) {
      const [record, ...more] = await untilRecords(after, name, ([newest]) => newest?.outcome)
      expect(more).toEqual([])
      expect(record).toMatchObject({ runId: `${name}.${at.getTime()}`, kind: 'catch-up', outcome: 'succeeded' })
      expect(record?.lateByMs).toBeGreaterThan(1_000)
      expect(record?.missedSlots ?? 0).toBe(0)
    }
    for (const name of ['skipping', 'cron-skipping', 'beyond']) {
      const [record, ...more] = await untilRecords(after, name, ([newest]) => newest?.outcome)
      expect(more).toEqual([])
      expect(record).toMatchObject({ kind: 'scheduled', outcome: 'missed', reason: 'late', attempts: 0 })
      expect(record?.lateByMs).toBeGreaterThan(1_000)
      expect(record?.runId).toBe(`${name}.${at.getTime()}`)
    }
    await until('the frequent one goes on', () => probe.callsOf('frequent').some(({ slot }) => slot > startedAt))
    // Every slot since the first has one decision, and those that came due while nobody was there share it.
    const slots = await decidedSlots(cluster, after, 'frequent', 1_000)
    expect(slots).toEqual(slotsFrom(slots[0] as number, slots.length, 1_000))
    const [first = 0, second = 0] = slots.filter((slot) => slot > at.getTime())
    const shared = (await after.runs('frequent')).filter(
      ({ scheduledFor, missedSlots = 0 }) => +scheduledFor >= second && +scheduledFor - missedSlots * 1_000 <= first,
    )
    expect(shared).toHaveLength(1)
    expect(await after.runs('paused')).toEqual([])
    expect(await after.runs('rare')).toEqual([])
    const calls = probe.calls.slice(callsBefore).filter(({ worker }) => worker !== 'frequent')
    expect(calls.map(({ worker, kind }) => `${worker} ${kind}`).toSorted()).toEqual([
      'cron catch-up',
      'hourly catch-up',
    ])
  })

  it('does not run the slots of a pause, however long it was away', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const workers = () => [probe.worker('frequent', every('1s'))]
    const before = await cluster.start(workers())
    await before.pause('frequent')
    await cluster.settles('frequent')
    await before.stop()
    const calls = probe.calls.length
    await cluster.setDecided('frequent', Date.now() - HOUR_MS)

    const after = await cluster.start(workers())
    await passed(Date.now() + 1_500)
    expect(probe.calls).toHaveLength(calls)
    const resumedAt = Date.now()
    await after.resume('frequent')
    const call = await until('it runs again', () => probe.calls[calls])

    expect(call.slot - call.missedSlots * 1_000).toBeGreaterThan(resumedAt - 1_000)
  })

  it('writes nothing but its heartbeat when nothing has changed', async (test) => {
    const redis = await ownRedis(test)
    await using cluster = await TestCluster.open(redis.url)
    await using watch = await WriteWatch.open(redis.url)
    const probe = new Probe()
    const schedule = rarely()
    const workers = () => [
      ...Array.from({ length: 20 }, (_, index) => probe.worker(`interval-${index}`, schedule)),
      ...Array.from({ length: 20 }, (_, index) => probe.worker(`cron-${index}`, cron('0 0 29 2 *'))),
    ]
    const before = await cluster.start(workers())
    await before.pause('cron-3')
    await before.reschedule('interval-4', cron('0 0 29 2 *'))
    await untilOver(before, await before.trigger('interval-5'))
    await cluster.runsSettle()
    await before.stop()
    const logger = new RecordingLogger()
    const after = cluster.instance({ logger })
    for (const worker of workers()) await after.add(worker)
    await watch.takeWrites()
    await watch.takeCalls()

    await after.start()

    // The second heartbeat is the last that looks at everything.
    await cluster.untilHeartbeats(2)
    const calls = await watch.takeCalls()
    const writes = (await watch.takeWrites()).filter((write) => !IS_OF_BULLMQ.test(write))
    expect(new Set(writes)).toEqual(
      new Set([`hset ${cluster.key('instances')}`, `hset ${cluster.key('instances:names')}`]),
    )
    expect(writes.filter((write) => write.endsWith(':names'))).toHaveLength(1)
    // Nor does it send anything that might have changed something.
    expect(calls.get('hset')).toBe(writes.length)
    expect([...calls.keys()].filter((command) => !COMMANDS_OF_BULLMQ.has(command))).toEqual(['hset'])
    expect(logger.lines.filter(({ level }) => level === 'warn' || level === 'error')).toEqual([])
  })
})

// That somebody has looked for stalled jobs lately: BullMQ's workers say so to each other every few seconds.
const IS_OF_BULLMQ = /^(set|expire|expired) \S+:(ticks|runs\.default):stalled-check$/

// With these its workers ask for jobs, and for jobs whose worker has died.
const COMMANDS_OF_BULLMQ = new Set(['bzpopmin', 'del', 'expire', 'rpoplpush', 'set', 'xtrim', 'zpopmin'])
