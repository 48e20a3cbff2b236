import { every } from '@background-workers/abstractions'
import { describe, expect, it } from 'vitest'
import { Keys } from '../src/keys.ts'
import { claimedRun } from './fixtures/claimed-run.ts'
import { DAY_MS, TestCluster, listen, rarely, untilOver, untilRecords } from './fixtures/cluster.ts'
import { Probe } from './fixtures/probe.ts'
import { until } from './fixtures/until.ts'

describe.concurrent('runOnStart', () => {
  it('runs once for each release in the whole cluster', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const boot = (release: number, on: string) =>
      cluster.start([probe.worker('warm-up', rarely(), { on, policy: { runOnStart: true } })], { release })

    const [one] = await Promise.all(['a', 'b', 'c'].map((on) => boot(7, on)))
    await until('it has run', () => probe.calls.length > 0)
    await cluster.runsSettle()
    await boot(7, 'd')
    await one!.stop()
    await one!.start()
    await cluster.runsSettle()
    expect(probe.calls.map(({ kind }) => kind)).toEqual(['start'])

    const next = await Promise.all(['e', 'f'].map((on) => boot(8, on)))
    await until('it has run for release 8', () => probe.calls.length > 1)
    await cluster.runsSettle()
    expect(probe.calls.map(({ kind }) => kind)).toEqual(['start', 'start'])
    const records = await next[0]!.runs('warm-up')
    expect(records.map(({ runId, outcome }) => [runId, outcome])).toEqual([
      ['warm-up.start-r8', 'succeeded'],
      ['warm-up.start-r7', 'succeeded'],
    ])
  })

  it('runs no more for a release once it has run for a higher one, also when the records are gone', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const policy = { runOnStart: true, keepRuns: 1 }
    const boot = (release: number) => cluster.start([probe.worker('warm-up', rarely(), { policy })], { release })
    const starts = () => probe.calls.filter(({ kind }) => kind === 'start').length
    const older = await boot(7)
    await until('it has run for release 7', () => starts() === 1)
    await cluster.runsSettle()
    const newer = await boot(8)
    await until('it has run for release 8', () => starts() === 2)
    await cluster.runsSettle()
    for (const instance of [older, newer, older, newer]) {
      await untilOver(instance, await instance.trigger('warm-up'))
      await instance.stop()
      await instance.start()
      await cluster.runsSettle()
    }
    expect(starts()).toBe(2)
  })

  it('is not started for a release when it has been for a higher one since it was asked for', async () => {
    await using cluster = await TestCluster.open()
    const store = cluster.store()
    const decide = (release: number) => {
      const { record, claim } = claimedRun(release, { slot: undefined, start: { mark: `release ${release}` } })
      return store.decideRun(record, claim)
    }
    expect(await decide(9)).not.toBe('refused')
    expect(await decide(8)).toBe('refused')
    expect(await decide(10)).not.toBe('refused')
    // A time in µs, and the highest that there are.
    const [timeUs, highest] = [1_767_225_600_000_000, Number.MAX_SAFE_INTEGER]
    for (const [higher, lower] of [[timeUs, timeUs - 1] as const, [highest, highest - 1] as const]) {
      expect(await decide(higher)).not.toBe('refused')
      expect(await decide(lower)).toBe('refused')
    }
    expect((await store.read('digest')).startMark).toBe(`release ${highest}`)
  })

  it('runs once per period without a release', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const boot = () =>
      cluster.start([
        probe.worker('hourly', rarely(), { policy: { runOnStart: true } }),
        probe.worker('short', every('1s', { offset: 999 }), { policy: { runOnStart: true } }),
      ])
    const starts = (worker: string) => probe.callsOf(worker).filter(({ kind }) => kind === 'start').length

    const instances = await Promise.all([boot(), boot(), boot()])
    await until('it has run', () => starts('hourly') > 0)
    await cluster.settles('hourly')
    for (const instance of instances) await instance.stop()
    await until('a period has passed and it runs again at a boot', async () => {
      const instance = await boot()
      await cluster.settles('short')
      await instance.stop()
      return starts('short') > 1
    })

    expect(starts('hourly')).toBe(1)
  })

  it('runs also when the last start was in a future that a clock has taken back', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const { workers } = new Keys(cluster.applicationName)
    await cluster.redis.hset(workers, 'start:hourly', `at ${Date.now() + 2 * DAY_MS}`)
    await cluster.start([probe.worker('hourly', rarely(), { policy: { runOnStart: true } })])
    await until('it has run', () => probe.calls.length === 1)
  })

  it('does not run while paused, and is recorded as skipped while a run is active', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const gate = Promise.withResolvers<void>()
    const worker = (on: string) =>
      probe.worker('warm-up', rarely(), { on, policy: { runOnStart: true }, doWork: () => gate.promise })
    try {
      const first = await cluster.start([worker('first')], { release: 1 })
      await until('it runs', () => probe.calls.length === 1)

      const second = cluster.instance({ release: 2 })
      const skips = listen(second, 'run-skipped')
      await second.add(worker('second'))
      await second.start()
      const skipped = { runId: 'warm-up.start-r2', reason: 'overlap', blockedBy: 'warm-up.start-r1', kind: 'start' }
      expect(skips).toMatchObject([skipped])
      gate.resolve()
      await untilOver(first, 'warm-up.start-r1')
      await second.pause('warm-up')
      await cluster.runsSettle()

      const third = await cluster.start([worker('third')], { release: 3 })
      await cluster.runsSettle()
      expect(probe.calls).toHaveLength(1)
      const records = await untilRecords(third, 'warm-up', (all) => all.length >= 2)
      expect(records).toHaveLength(2)
      expect(records.find(({ outcome }) => outcome === 'skipped')).toMatchObject(skipped)
    } finally {
      gate.resolve()
    }
  })
})
