import { cron, every, nextDueAt } from '@background-workers/abstractions'
import { RecordingLogger } from '@background-workers/abstractions/testing'
import { describe, expect, it } from 'vitest'
import { HOUR_MS, TestCluster, hourlyFrom, rarely, untilOver, untilRecords } from './fixtures/cluster.ts'
import { Probe } from './fixtures/probe.ts'
import { passed, until } from './fixtures/until.ts'

describe.concurrent('a schedule in Redis', () => {
  it('keeps firing when its period is shrunk from an hour to a second across a late tick', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const { schedule, firstSlot } = hourlyFrom(1_000)
    const before = await cluster.start([probe.worker('digest', schedule)])
    await before.stop()
    // The tick of the old schedule is late now, and nobody has taken it.
    await passed(firstSlot + 1_500)

    const after = await cluster.start([probe.worker('digest', every('1s'))])
    await until('it has run 4 times', () => probe.calls.length >= 4)
    await after.stop()

    const slots = probe.calls.map(({ slot }) => slot)
    for (const [index, slot] of slots.entries()) expect(slot).toBe((slots[0] ?? 0) + index * 1_000)
    expect(nextDueAt(every('1s'), (slots[0] ?? 0) - 1, 'digest')).toBe(slots[0])
  })

  it('keeps firing when the worker that shrinks is late itself', async () => {
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
    const calls = probe.calls.length

    await cluster.start([probe.worker('digest', every('2s', { offset: 1_100 }))])
    await until('it runs twice more', () => probe.calls.length >= calls + 2)

    expect(probe.calls.slice(calls).map(({ slot }) => slot % 2_000)).toEqual([1_100, 1_100])
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
    const records = await untilRecords(after, 'digest', (all) => all.length >= 2)

    expect(records.at(-1)?.scheduledFor.getTime()).toBeLessThanOrEqual(declaredAt + 2_000)
    expect(records.every(({ kind }) => kind === 'scheduled')).toBe(true)
  })

  it('forgets the overdue slot of a cron that has changed', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const at = new Date(Math.ceil(Date.now() / 1_000 + 1) * 1_000)
    const before = await cluster.start([probe.worker('digest', dailyAt(at), { policy: { catchUpWindowMs: HOUR_MS } })])
    await before.stop()
    await passed(at.getTime() + 500)

    const after = await cluster.start([
      probe.worker('digest', cron('0 0 29 2 *'), { policy: { catchUpWindowMs: HOUR_MS } }),
    ])
    // Ticks are taken in order, so a run that is triggered now comes after whatever was overdue.
    await cluster.deliverTick('digest', at.getTime())
    await untilOver(after, await after.trigger('digest'))

    expect(probe.calls.map(({ kind }) => kind)).toEqual(['manual'])
    expect(await after.get('digest')).toMatchObject({ nextDueAt: expect.toSatisfy(isLeapDay) })
  })

  it('decides the overdue slot of a cron that has not changed once after a boot', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const at = new Date(Math.ceil(Date.now() / 1_000 + 1) * 1_000)
    const worker = (on: string) => probe.worker('digest', dailyAt(at), { on, policy: { catchUpWindowMs: HOUR_MS } })
    const before = await cluster.start([worker('a')])
    await before.stop()
    await passed(at.getTime() + 1_200)

    const instances = await Promise.all(['b', 'c', 'd'].map((on) => cluster.start([worker(on)])))
    await untilOver(instances[0]!, `digest.${at.getTime()}`)
    await cluster.runsSettle()
    await instances[0]!.stop()
    await cluster.start([worker('e')])
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
    const workers = () => [probe.worker('digest', schedule, { policy: { catchUpWindowMs: HOUR_MS } })]
    const before = await cluster.start(workers())
    const startedAt = Date.now()
    await until('it has run twice', () => probe.calls.length === 2)
    await before.stop()
    // Nor does time without any instance move them.
    await passed(Date.now() + 2_500)
    await cluster.start(workers())
    await until('it has run twice more', () => probe.calls.length >= 4)

    const offset = schedule.offsetMs ?? (nextDueAt(schedule, 0, 'digest') as number) % 2_000
    for (const { slot } of probe.calls) expect(slot % 2_000).toBe(offset)
    expect(probe.calls[0]?.slot).toBe(nextDueAt(schedule, startedAt - 100, 'digest'))
    expect(probe.calls[1]?.slot).toBe((probe.calls[0]?.slot ?? 0) + 2_000)
    expect(new Set(probe.calls.map(({ slot }) => slot)).size).toBe(probe.calls.length)
  })

  it('never runs before its slot', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const manager = await cluster.start([
      probe.worker('interval', every('1s')),
      probe.worker('cron', cron('* * * * * *')),
    ])
    const interval = await untilRecords(manager, 'interval', (all) => all.length >= 3)
    const crons = await untilRecords(manager, 'cron', (all) => all.length >= 3)
    for (const { startedAt, scheduledFor } of [...interval, ...crons]) {
      expect(startedAt?.getTime()).toBeGreaterThanOrEqual(scheduledFor.getTime())
    }
  })
})

describe.concurrent('a job scheduler that is not ours', () => {
  it('is left alone and reported, also by a worker of the same name', async () => {
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

  it('is replaced when it is ours and from an older fingerprint', async () => {
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

function dailyAt(at: Date) {
  return cron(`${at.getUTCSeconds()} ${at.getUTCMinutes()} ${at.getUTCHours()} * * *`)
}

function isLeapDay(at: Date): boolean {
  return at.getUTCMonth() === 1 && at.getUTCDate() === 29
}
