import { cron, every } from '@background-workers/abstractions'
import { RecordingLogger } from '@background-workers/abstractions/testing'
import { startRedis } from 'test-redis'
import { describe, expect, it } from 'vitest'
import { TestCluster, hourlyFrom, rarely, untilOver, untilRecords } from './fixtures/cluster.ts'
import { Probe } from './fixtures/probe.ts'
import { passed } from './fixtures/until.ts'
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
    const { schedule, firstSlot } = hourlyFrom(1_500)
    const at = new Date(Math.ceil(firstSlot / 1_000) * 1_000)
    const daily = cron(`${at.getUTCSeconds()} ${at.getUTCMinutes()} ${at.getUTCHours()} * * *`)
    const workers = () => [
      probe.worker('hourly', schedule),
      probe.worker('cron', daily),
      probe.worker('skipping', schedule, { policy: { misfire: 'skip' } }),
      probe.worker('cron-skipping', daily, { policy: { misfire: 'skip' } }),
      probe.worker('beyond', schedule, { policy: { catchUpWindowMs: 1_000 } }),
      probe.worker('paused', schedule),
      probe.worker('frequent', every('1s'), { policy: { catchUpWindowMs: 60_000 } }),
      probe.worker('rare', rarely()),
    ]
    const before = await cluster.start(workers())
    await before.pause('paused')
    await untilRecords(before, 'frequent', ([newest]) => newest?.outcome)
    await before.stop()
    const [last] = await untilStoppedRecords()
    const callsBefore = probe.calls.length
    await passed(at.getTime() + 2_500)

    const after = await cluster.start(workers())
    const startedAt = Date.now()
    for (const name of ['hourly', 'cron']) {
      const [record, ...more] = await untilRecords(after, name, ([newest]) => newest?.outcome)
      expect(more).toEqual([])
      const slot = name === 'hourly' ? firstSlot : at.getTime()
      expect(record).toMatchObject({ runId: `${name}.${slot}`, kind: 'catch-up', outcome: 'succeeded' })
      expect(record?.lateByMs).toBeGreaterThan(1_000)
      expect(record?.missedSlots ?? 0).toBe(0)
    }
    for (const name of ['skipping', 'cron-skipping', 'beyond']) {
      const [record, ...more] = await untilRecords(after, name, ([newest]) => newest?.outcome)
      expect(more).toEqual([])
      expect(record).toMatchObject({ kind: 'scheduled', outcome: 'missed', reason: 'late', attempts: 0 })
      expect(record?.lateByMs).toBeGreaterThan(1_000)
      expect(record?.runId).toBe(`${name}.${name === 'cron-skipping' ? at.getTime() : firstSlot}`)
    }
    const frequent = await untilRecords(
      after,
      'frequent',
      (records) => (records[0]?.startedAt ?? 0) > new Date(startedAt + 1_500),
    )
    const since = frequent.filter(({ scheduledFor }) => scheduledFor > (last?.scheduledFor ?? new Date(0))).toReversed()
    const [catchUp, ...onTime] = since
    expect(catchUp).toMatchObject({ kind: 'catch-up', outcome: 'succeeded' })
    // Every slot since the last decision is either the one that ran late, or one that it counts.
    expect(catchUp?.missedSlots).toBe(
      ((catchUp?.scheduledFor.getTime() ?? 0) - (last?.scheduledFor.getTime() ?? 0)) / 1_000 - 1,
    )
    expect(catchUp?.missedSlots).toBeGreaterThanOrEqual(2)
    for (const [index, record] of onTime.entries()) {
      expect(record.scheduledFor.getTime()).toBe((catchUp?.scheduledFor.getTime() ?? 0) + (index + 1) * 1_000)
    }
    expect(await after.runs('paused')).toEqual([])
    expect(await after.runs('rare')).toEqual([])
    const calls = probe.calls.slice(callsBefore).filter(({ worker }) => worker !== 'frequent')
    expect(calls.map(({ worker, kind }) => `${worker} ${kind}`).toSorted()).toEqual([
      'cron catch-up',
      'hourly catch-up',
    ])

    async function untilStoppedRecords() {
      const reader = await cluster.start([], { isEnabled: false })
      const records = await reader.runs('frequent')
      await reader.stop()
      return records
    }
  })

  it('does not run the slots of a pause, however long it was away', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const workers = () => [probe.worker('frequent', every('1s'), { policy: { catchUpWindowMs: 60_000 } })]
    const before = await cluster.start(workers())
    await before.pause('frequent')
    await cluster.runsSettle()
    await before.stop()
    const calls = probe.calls.length
    await cluster.setDecided('frequent', Date.now() - 3_600_000)

    const after = await cluster.start(workers())
    await passed(Date.now() + 1_500)
    await after.resume('frequent')
    const resumedAt = Date.now()
    const records = await untilRecords(after, 'frequent', (all) => all.length > calls)

    expect(records[0]).toMatchObject({ kind: 'scheduled', outcome: 'succeeded' })
    expect(records[0]?.missedSlots ?? 0).toBe(0)
    expect(records[0]?.scheduledFor.getTime()).toBeGreaterThan(resumedAt - 1_000)
  })

  it('writes nothing but its heartbeat when nothing has changed', async () => {
    const server = await startRedis()
    try {
      await using cluster = await TestCluster.open(server.url)
      await using watch = await WriteWatch.open(server.url)
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

      await after.start()

      const writes = await watch.takeWrites()
      expect(writes.filter((write) => !IS_OF_BULLMQ.test(write)).toSorted()).toEqual([
        `hset ${cluster.key('instances')}`,
        `hset ${cluster.key('instances:names')}`,
      ])
      expect(logger.lines.filter(({ level }) => level === 'warn' || level === 'error')).toEqual([])
    } finally {
      await server.cleanUp()
    }
  })
})

// BullMQ waits on the marker of a queue and looks for stalled jobs. No scheduler and no job is among it.
const IS_OF_BULLMQ = /^\w+ \{[^}]+\}:(ticks|runs\.default):(marker|stalled|stalled-check)$/
