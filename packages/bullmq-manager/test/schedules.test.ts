import { cron, every, nextDueAt } from '@background-workers/abstractions'
import { RecordingLogger } from '@background-workers/abstractions/testing'
import { describe, expect, it } from 'vitest'
import {
  DAY_MS,
  HOUR_MS,
  TestCluster,
  dailyAt,
  decidedSlots,
  hourlyAt,
  lastRareSlot,
  rarely,
  slotsFrom,
  untilOver,
  untilRecords,
} from './fixtures/cluster.ts'
import { Probe } from './fixtures/probe.ts'
import { passed, until } from './fixtures/until.ts'

/** What the clock of an instance may differ from that of the test by, where Redis is slow to tell the time. */
const CLOCK_MS = 1_000

describe.concurrent('a schedule in Redis', () => {
  it('keeps firing when its period is shrunk from an hour to a second across a late tick', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const at = await cluster.passSlot((slot) => [probe.worker('digest', hourlyAt(slot))])
    // The tick of the old schedule is late now, and nobody has taken it.
    await passed(at.getTime() + 1_500)

    const after = await cluster.start([probe.worker('digest', every('1s'))])
    await until('it has run 4 times', () => probe.calls.length >= 4)

    const slots = await decidedSlots(cluster, after, 'digest', 1_000)
    expect(slots).toEqual(slotsFrom(slots[0] as number, slots.length, 1_000))
    expect(nextDueAt(every('1s'), (slots[0] as number) - 1, 'digest')).toBe(slots[0])
    expect(slots[0]).toBeGreaterThan(at.getTime() + 500)
  })

  it('keeps firing when an override has shrunk its period and no instance was there for some slots', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const before = await cluster.start([probe.worker('digest', rarely())])
    await before.reschedule('digest', every('1s'))
    await until('it has run', () => probe.calls.length > 0)
    await before.stop()
    const calls = probe.calls.length
    await passed(Date.now() + 2_500)

    await cluster.start([probe.worker('digest', rarely())])
    await until('it has run 3 times more', () => probe.calls.length >= calls + 3)
  })

  it('moves its slots and its scheduler when only the offset changes', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const before = await cluster.start([probe.worker('digest', every('2s', { offset: 100 }))])
    await until('it runs', () => probe.calls.length > 0)
    await before.stop()
    const changedAt = Date.now()

    await cluster.start([probe.worker('digest', every('2s', { offset: 1_100 }))])
    const callsSince = () => probe.calls.filter(({ slot }) => slot > changedAt)
    await until('it runs twice more', () => callsSince().length >= 2)

    expect(new Set(callsSince().map(({ slot }) => slot % 2_000))).toEqual(new Set([1_100]))
    const dueAt = Number(await cluster.redis.zscore(cluster.key('ticks:repeat'), 'digest'))
    expect(dueAt % 2_000).toBe(1_100)
  })

  it('applies a changed cron at once', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const before = await cluster.start([probe.worker('digest', cron('0 0 29 2 *'))])
    await before.stop()
    const declaredAt = Date.now()

    const after = await cluster.start([probe.worker('digest', cron('* * * * * *'))])
    const startedAt = Date.now()
    await untilRecords(after, 'digest', (all) => all.length >= 2)

    const slots = await decidedSlots(cluster, after, 'digest', 1_000)
    expect(slots).toEqual(slotsFrom(slots[0] as number, slots.length, 1_000))
    expect(slots[0]).toBeGreaterThan(declaredAt - CLOCK_MS)
    expect(slots[0]).toBeLessThanOrEqual(startedAt + 1_000 + CLOCK_MS)
  })

  it('forgets the overdue slot of a cron that has changed', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const at = await cluster.passSlot((slot) => [probe.worker('digest', dailyAt(slot))])

    const after = await cluster.start([probe.worker('digest', cron('0 0 29 2 *'))])
    // Ticks are taken in order, so a run that is triggered now comes after whatever was overdue.
    await cluster.deliverTick('digest', at.getTime())
    await untilOver(after, await after.trigger('digest'))

    expect(probe.calls.map(({ kind }) => kind)).toEqual(['manual'])
    expect(await after.get('digest')).toMatchObject({ nextDueAt: expect.toSatisfy(isLeapDay) })
  })

  it('decides the overdue slot of a cron that has not changed once after a boot', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const worker = (slot: Date, on: string) => probe.worker('digest', dailyAt(slot), { on })
    const at = await cluster.passSlot((slot) => [worker(slot, 'a')])
    await passed(at.getTime() + 1_200)

    const instances = await Promise.all(['b', 'c', 'd'].map((on) => cluster.start([worker(at, on)])))
    await untilOver(instances[0]!, `digest.${at.getTime()}`)
    await cluster.runsSettle()
    await instances[0]!.stop()
    await cluster.start([worker(at, 'e')])
    await cluster.deliverTick('digest', at.getTime())
    await cluster.runsSettle()

    expect(probe.calls).toMatchObject([{ slot: at.getTime(), kind: 'catch-up' }])
  })

  it.each([
    ['without an offset, at its own', every('2s')],
    ['with offset 0, at whole periods', every('2s', { offset: 0 })],
    ['with an offset, that much later', every('2s', { offset: 700 })],
  ])('gives an interval exact slots: %s', async (_, schedule) => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const workers = () => [probe.worker('digest', schedule)]
    const declaredAt = Date.now()
    const before = await cluster.start(workers())
    const startedAt = Date.now()
    await until('it has run twice', () => probe.calls.length >= 2)
    await before.stop()
    const calls = probe.calls.length
    // Nor does time without any instance move them.
    await passed(Date.now() + 2_500)
    const after = await cluster.start(workers())
    await until('it has run twice more', () => probe.calls.length >= calls + 2)

    const slots = await decidedSlots(cluster, after, 'digest', 2_000)
    expect(slots).toEqual(slotsFrom(slots[0] as number, slots.length, 2_000))
    const offset = schedule.offsetMs ?? (nextDueAt(schedule, 0, 'digest') as number) % 2_000
    expect((slots[0] as number) % 2_000).toBe(offset)
    expect(slots[0]).toBeGreaterThan(declaredAt - CLOCK_MS)
    expect(slots[0]).toBeLessThanOrEqual(startedAt + 2_000 + CLOCK_MS)
    const ran = probe.calls.map(({ slot }) => slot)
    expect(slots).toEqual(expect.arrayContaining(ran))
    expect(new Set(ran).size).toBe(ran.length)
  })

  it('never runs before its slot', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const manager = await cluster.start([
      probe.worker('interval', every('1s')),
      probe.worker('cron', cron('* * * * * *')),
    ])
    for (const name of ['interval', 'cron']) {
      const runs = await until(`${name} has run three times`, async () => {
        const started = (await manager.runs(name)).filter(({ startedAt }) => startedAt)
        return started.length >= 3 && started
      })
      for (const { startedAt, scheduledFor } of runs) {
        expect(startedAt?.getTime()).toBeGreaterThanOrEqual(scheduledFor.getTime())
      }
    }
  })
})

describe.concurrent('a job scheduler that is there before its worker', () => {
  it('is left alone when it is not ours, and reported when a worker has its name', async () => {
    await using cluster = await TestCluster.open()
    const ticks = cluster.queue('ticks')
    await ticks.upsertJobScheduler('legacy', { every: HOUR_MS, offset: 5 }, { name: 'theirs', data: { to: 'all' } })
    await ticks.upsertJobScheduler('digest', { every: HOUR_MS, offset: 5 }, { name: 'theirs', data: { v: 1 } })
    await ticks.upsertJobScheduler(
      'old',
      { every: HOUR_MS, offset: 5 },
      { name: 'tick', data: { v: 0, fp: 'every 1 1' } },
    )
    const foreign = await cluster.storedSchedulers()
    const logger = new RecordingLogger()
    const probe = new Probe()

    const manager = await cluster.start([probe.worker('digest', every('1s')), probe.worker('mine', rarely())], {
      logger,
    })
    await untilOver(manager, await manager.trigger('digest'))
    await manager.remove('mine')
    await manager.stop()

    expect(await cluster.storedSchedulers()).toEqual(foreign)
    const warnings = logger.lines.filter(({ message }) => message.includes('not ours'))
    expect(new Set(warnings.map(({ data }) => data.worker))).toEqual(new Set(['digest']))
    expect(probe.calls.map(({ kind }) => kind)).toEqual(['manual'])
  })

  for (const isEnabled of [true, false]) {
    it(`is left alone by a reschedule and a remove of an instance that is ${isEnabled ? '' : 'not '}enabled`, async ({
      expect,
    }) => {
      await using cluster = await TestCluster.open()
      const ticks = cluster.queue('ticks')
      const rare = { every: 2 * DAY_MS, offset: lastRareSlot() % (2 * DAY_MS) }
      await ticks.upsertJobScheduler('digest', rare, { name: 'theirs', data: { v: 1 } })
      const stored = async () => [await cluster.storedSchedulers(), (await ticks.getDelayed()).map(({ id }) => id)]
      const foreign = await stored()
      const manager = await cluster.start([new Probe().worker('digest', rarely())])
      const caller = isEnabled ? manager : await cluster.start([], { isEnabled })

      await caller.reschedule('digest', every('1h'))
      expect(await stored()).toEqual(foreign)
      expect((await cluster.store().read('digest')).override?.schedule).toEqual(every('1h'))
      await caller.remove('digest')
      expect(await stored()).toEqual(foreign)
    })
  }

  it('is replaced when it is ours, with the fingerprint of an older version', async () => {
    await using cluster = await TestCluster.open()
    await cluster
      .queue('ticks')
      .upsertJobScheduler(
        'digest',
        { every: HOUR_MS, offset: 5 },
        { name: 'tick', data: { v: 1, fp: 'every 3600000 5' } },
      )
    const probe = new Probe()
    const manager = await cluster.start([probe.worker('digest', every('1s'))])
    await untilRecords(manager, 'digest', (all) => all.length >= 2)
  })
})

function isLeapDay(at: Date): boolean {
  return at.getUTCMonth() === 1 && at.getUTCDate() === 29
}
