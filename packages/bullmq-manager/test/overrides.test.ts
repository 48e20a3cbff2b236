import { type Schedule, UnknownWorkerError, WorkerBusyError, cron, every } from '@background-workers/abstractions'
import { RecordingLogger } from '@background-workers/abstractions/testing'
import { describe, expect, it, vi } from 'vitest'
import type { BullMqBackgroundWorkerManager } from '../src/index.ts'
import { DAY_MS, TestCluster, listen, rarely, untilOver, untilRecords } from './fixtures/cluster.ts'
import { losingRedis, readingToWrite } from './fixtures/losing-redis.ts'
import { Probe } from './fixtures/probe.ts'
import { passed, until } from './fixtures/until.ts'

// What an instance learns from others it learns at a heartbeat; ten seconds are long for a test.
vi.mock('../src/reconciler.ts', async (original) => ({ ...(await original<object>()), BEAT_MS: 300 }))

describe.concurrent('an override', () => {
  it('stands when the application restarts with unchanged code', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const before = await cluster.start([probe.worker('digest', rarely())])
    await before.reschedule('digest', every('1s'), { by: 'ada' })
    const status = await before.get('digest')
    await untilRecords(before, 'digest', (records) => records.length > 0)
    await before.stop()
    const calls = probe.calls.length

    const after = await cluster.start([probe.worker('digest', rarely())])
    const drops = listen(after, 'override-dropped')
    await until('it runs by the override', () => probe.calls.length > calls)

    expect((await after.get('digest'))?.schedule).toEqual(status?.schedule)
    expect(status?.schedule).toMatchObject({ declared: rarely(), override: { schedule: every('1s'), by: 'ada' } })
    expect(drops).toEqual([])
  })

  it('stands when only the policy of the code changes', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const before = await cluster.start([probe.worker('digest', rarely())])
    await before.reschedule('digest', every('1s'))
    const schedulers = await cluster.storedSchedulers()
    await before.stop()

    const after = cluster.instance()
    const drops = listen(after, 'override-dropped')
    await after.add(probe.worker('digest', rarely(), { policy: { keepRuns: 7 } }))
    await after.start()

    expect(await after.get('digest')).toMatchObject({
      schedule: { override: { schedule: every('1s') } },
      policy: { keepRuns: 7 },
    })
    expect(Object.keys(await cluster.storedSchedulers())).toEqual(Object.keys(schedulers))
    expect(drops).toEqual([])
  })

  it('is dropped and announced once when the declared schedule changes', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const before = await cluster.start([probe.worker('digest', cron('0 0 29 2 *'))])
    await before.reschedule('digest', cron('0 1 29 2 *'), { by: 'ada' })
    await before.stop()

    const logger = new RecordingLogger()
    const instances = [cluster.instance({ logger }), cluster.instance({ logger })]
    const drops = instances.map((instance) => listen(instance, 'override-dropped'))
    for (const instance of instances) await instance.add(probe.worker('digest', every('1s')))
    await Promise.all(instances.map((instance) => instance.start()))
    await until('it runs by the new schedule', () => probe.calls.length > 0)

    expect(drops.flat()).toEqual([{ worker: 'digest', override: cron('0 1 29 2 *'), declared: every('1s') }])
    expect(logger.linesOf('the declared schedule has changed, the override is dropped')).toHaveLength(1)
    expect((await instances[1]!.get('digest'))?.schedule).toEqual({ declared: every('1s') })
  })

  it('made on one instance holds on the other, and is dropped there', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const [one, other] = await startTwo(cluster, (on) => [probe.worker('digest', rarely(), { on })])
    await one.reschedule('digest', every('1s'))
    await until('it runs by the override', () => probe.calls.length > 0)
    expect((await other.get('digest'))?.schedule?.override?.schedule).toEqual(every('1s'))

    await other.reschedule('digest', undefined)
    await cluster.settles('digest')
    const calls = probe.calls.length
    await passed(Date.now() + 2_200)

    expect(probe.calls.length).toBe(calls)
    expect((await one.get('digest'))?.schedule).toEqual({ declared: rarely() })
  })
})

/** Two schedules without a slot today. */
const twoSchedules = () =>
  [2, 3].map((days) => every(days * DAY_MS, { offset: (Date.now() + (days - 1) * DAY_MS) % (days * DAY_MS) })) as [
    Schedule,
    Schedule,
  ]

describe.concurrent('of two overrides that are made at the same time', () => {
  it('on two instances, one stands on both, by its own slots, however slow the other call is', async (test) => {
    const { redis, target, hold } = await losingRedis(test)
    await using cluster = await TestCluster.open(target.url)
    const [slow, fast] = twoSchedules()
    const probe = new Probe()
    const one = await cluster.start([probe.worker('digest', rarely())], { connection: redis })
    const other = await cluster.start([probe.worker('digest', rarely())])
    const announced = [one, other].map((instance) => listen(instance, 'worker-rescheduled'))
    const held = hold((command) => command.includes('override:digest') && !/hmget|hgetall/i.test(command))
    const slowly = one.reschedule('digest', slow)
    const release = await held
    const calls = [slowly, other.reschedule('digest', fast)]
    // The second call is through, or it waits for the first.
    await Promise.race([calls[1], passed(Date.now() + 1_000)])
    release()
    await Promise.all(calls)
    await expectStanding(cluster, [one, other], fast)
    expect(announced.map((events) => events.map(({ schedule }) => schedule))).toEqual([[slow], [fast]])
  })

  it('on one instance, the one that stands is announced last', async () => {
    await using cluster = await TestCluster.open()
    const one = await cluster.start([new Probe().worker('digest', rarely())])
    const announced = listen(one, 'worker-rescheduled')
    await Promise.all(twoSchedules().map((schedule) => one.reschedule('digest', schedule)))
    expect(announced).toHaveLength(2)
    await expectStanding(cluster, [one], announced[1]?.schedule)
  })
})

/** The override is in force on each instance, and the next tick comes by it. */
async function expectStanding(
  cluster: TestCluster,
  instances: readonly BullMqBackgroundWorkerManager[],
  schedule: Schedule | undefined,
): Promise<void> {
  for (const instance of instances) {
    const status = await instance.get('digest')
    expect(status?.schedule?.override?.schedule).toEqual(schedule)
    const dueAt = String(status?.nextDueAt?.getTime())
    expect(await cluster.storedSchedulers()).toMatchObject({ digest: { dueAt } })
  }
  expect(await cluster.pendingTick('digest')).toBeDefined()
}

describe.concurrent('a worker that is removed on one instance', () => {
  it('is listed nowhere and runs nowhere until it is added again, then it has its records', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const workers = (on: string) => [
      probe.worker('digest', every('1s'), { on }),
      probe.worker('other', rarely(), { on }),
    ]
    const [one, two, three] = await Promise.all(['one', 'two', 'three'].map((on) => cluster.start(workers(on))))
    const removed = [one!, two!, three!].map((instance) => listen(instance, 'worker-removed'))
    await untilRecords(one!, 'digest', ([newest]) => newest?.outcome)

    expect(await one!.remove('digest', { by: 'ada' })).toBe(true)
    await until('all have dropped it', () => removed.every(({ length }) => length === 1))
    await cluster.settles('digest')
    const runIdsBefore = probe.callsOf('digest').map(({ runId }) => runId)
    const calls = runIdsBefore.length
    // Neither beats nor a restart with the other workers bring it back.
    await three!.stop()
    const again = await cluster.start([probe.worker('other', rarely(), { on: 'three' })])
    await passed(Date.now() + 2_500)

    expect(probe.callsOf('digest')).toHaveLength(calls)
    for (const instance of [one!, two!]) {
      expect((await instance.list()).map(({ name }) => name)).toEqual(['other'])
      expect(await instance.get('digest')).toBeUndefined()
      await expect(instance.runs('digest')).rejects.toThrow(UnknownWorkerError)
      await expect(instance.trigger('digest')).rejects.toThrow(UnknownWorkerError)
      expect(await instance.remove('digest')).toBe(false)
    }
    expect(Object.keys(await cluster.storedSchedulers())).toEqual(['other'])

    const addedAt = Date.now()
    for (const instance of [one!, two!, again]) {
      await instance.add(probe.worker('digest', every('1s'), { on: 'again' }))
    }
    const call = await until('it runs again', () => probe.callsOf('digest')[calls])
    expect(call.on).toBe('again')
    // Nothing was owed while it was removed.
    expect(call.slot - call.missedSlots * 1_000).toBeGreaterThan(addedAt - 1_000)
    const records = await one!.runs('digest')
    expect(records.filter(({ outcome }) => outcome === 'succeeded').length).toBeGreaterThanOrEqual(calls)
    expect(records.map(({ runId }) => runId)).toEqual(expect.arrayContaining([call.runId, ...runIdsBefore]))
    expect((await one!.list()).map(({ name }) => name).toSorted()).toEqual(['digest', 'other'])
  })

  it('stays removed, though another instance that declares it has read it before', async (test) => {
    const { redis, target, hold } = await losingRedis(test)
    await using cluster = await TestCluster.open(target.url)
    const probe = new Probe()
    const one = await cluster.start([probe.worker('digest', rarely())])
    const other = cluster.instance({ connection: redis })
    await other.add(probe.worker('digest', rarely(), { policy: { keepRuns: 7 } }))
    const dropped = listen(other, 'worker-removed')
    const held = hold(readingToWrite())
    const starting = other.start()
    const release = await held
    const removing = one.remove('digest')
    // The removal is through, or it waits for the start.
    await Promise.race([removing, passed(Date.now() + 1_000)])
    release()
    await starting
    expect(await removing).toBe(true)
    expect(await one.list()).toEqual([])
    expect(await cluster.storedSchedulers()).toEqual({})
    await until('the other one has dropped it', () => dropped.length === 1)
    expect(await other.list()).toEqual([])
  })

  it('comes back with the add of an instance that restarts', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const [one, other] = await startTwo(cluster, (on) => [probe.worker('digest', rarely(), { on })])
    await untilOver(one, await one.trigger('digest'))
    await one.remove('digest')
    await until('the other one has dropped it', async () => (await other.list()).length === 0)
    await one.stop()

    const again = await cluster.start([probe.worker('digest', rarely(), { on: 'again' })])

    expect(await again.runs('digest')).toHaveLength(1)
    await untilOver(again, await again.trigger('digest'))
    expect(probe.calls.at(-1)?.on).toBe('again')
    expect(Object.keys(await cluster.storedSchedulers())).toEqual(['digest'])
  })
})

describe.concurrent('a pause on one instance', () => {
  it('holds on the other, which may end it', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const [one, other] = await startTwo(cluster, (on) => [probe.worker('digest', every('1s'), { on })])
    await until('it runs', () => probe.calls.length > 0)

    await one.pause('digest', { note: 'audit', by: 'ada' })
    await cluster.settles('digest')
    const calls = probe.calls.length
    await passed(Date.now() + 2_200)
    expect(probe.calls).toHaveLength(calls)
    expect(await other.get('digest')).toMatchObject({ state: 'paused', paused: { note: 'audit', by: 'ada' } })

    const resumedAt = Date.now()
    await other.resume('digest', { by: 'bob' })
    const call = await until('it runs again', () => probe.calls[calls])
    // Nothing is owed for the time of the pause.
    expect(call.slot - call.missedSlots * 1_000).toBeGreaterThan(resumedAt - 1_000)
    expect((await one.get('digest'))?.paused).toBeUndefined()
  })

  it('refuses no trigger, and one run blocks the triggers of all', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const gate = Promise.withResolvers<void>()
    const [one, other] = await startTwo(cluster, (on) => [
      probe.worker('digest', rarely(), { on, doWork: () => gate.promise }),
    ])
    try {
      await one.pause('digest')
      const runId = await other.trigger('digest')
      await until('it runs', () => probe.calls.length === 1)
      for (const instance of [one, other]) {
        await expect(instance.trigger('digest')).rejects.toThrow(
          expect.toSatisfy((error) => error instanceof WorkerBusyError && error.activeRunId === runId),
        )
      }
      gate.resolve()
      expect(await untilOver(one, runId)).toMatchObject({ outcome: 'succeeded', kind: 'manual' })
    } finally {
      gate.resolve()
    }
  })
})

it('a run that is triggered during a pause is repeated', async () => {
  await using cluster = await TestCluster.open()
  const probe = new Probe()
  // Longer than until the instance looks at everything, which ends what waited when the pause came.
  const backoffMs = 12_000
  const worker = probe.worker('digest', rarely(), {
    policy: { retry: { attempts: 2, backoffMs, maxBackoffMs: backoffMs } },
    async doWork({ attempt }) {
      if (attempt === 1) throw new Error('no')
    },
  })
  const manager = await cluster.start([worker])
  await manager.pause('digest')
  expect(await untilOver(manager, await manager.trigger('digest'))).toMatchObject({ outcome: 'succeeded', attempts: 2 })
})

describe.concurrent('a cancel on one instance', () => {
  it('aborts a run of the other', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const [one, other] = await startTwo(cluster, (on) => [
      probe.worker('digest', rarely(), {
        on,
        doWork: ({ signal }) => new Promise((resolve) => signal.addEventListener('abort', resolve)),
      }),
    ])
    const runId = await one.trigger('digest')
    const call = await until('it runs', () => probe.calls[0])
    const elsewhere = call.on === 'one' ? other : one

    expect(await elsewhere.cancel(runId, { by: 'ada' })).toBe(true)

    expect(await untilOver(one, runId)).toMatchObject({ outcome: 'aborted', reason: 'cancelled', by: 'ada' })
    await cluster.runsSettle()
    expect(await elsewhere.cancel(runId)).toBe(false)
  })
})

async function startTwo(cluster: TestCluster, workers: (on: string) => Parameters<TestCluster['start']>[0]) {
  return [await cluster.start(workers('one')), await cluster.start(workers('other'))] as const
}
