import { every } from '@background-workers/abstractions'
import { RecordingLogger } from '@background-workers/abstractions/testing'
import { describe, expect, it, vi } from 'vitest'
import { TestCluster, listen, rarely, untilOver } from './fixtures/cluster.ts'
import { Probe } from './fixtures/probe.ts'
import { until } from './fixtures/until.ts'

// Orphaned after 2 s without an instance that declares it, in place of 30 s; what others do is seen at a heartbeat.
vi.mock('../src/instances.ts', async (original) => ({ ...(await original<object>()), DEAD_AFTER_MS: 2_000 }))
vi.mock('../src/reconciler.ts', async (original) => ({ ...(await original<object>()), BEAT_MS: 300 }))

describe.concurrent('a run that an instance has no worker for', () => {
  it('goes to the instance that has it', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const logger = new RecordingLogger()
    const gate = Promise.withResolvers<void>()
    try {
      const other = probe.worker('other', rarely(), { on: 'without', doWork: () => gate.promise })
      const without = await cluster.start([other], { logger, concurrency: 1 })
      const having = await cluster.start([probe.worker('digest', rarely(), { on: 'having' })], { queues: [] })
      const runId = await having.trigger('digest')
      await until('the run was handed back', () => logger.lines.some(({ data }) => data.runId === runId))
      const { reasons } = await without.health()
      expect(reasons).toContainEqual(expect.objectContaining({ code: 'no-handler', worker: 'digest' }))
      // From here on that instance is busy, so it can not be the one that takes the run again.
      const busyWith = await without.trigger('other')
      await until('it is busy', () => probe.callsOf('other').length === 1)

      await cluster.start([probe.worker('digest', rarely(), { on: 'taking' })])

      expect(await untilOver(without, runId)).toMatchObject({ outcome: 'succeeded', attempts: 1 })
      expect(probe.callsOf('digest').map(({ on }) => on)).toEqual(['taking'])
      expect(await having.runs('digest')).toHaveLength(1)
      gate.resolve()
      await untilOver(without, busyWith)
    } finally {
      gate.resolve()
    }
  })

  it('is handed back too where the start of its worker has failed', async () => {
    await using cluster = await TestCluster.open()
    const asking = await cluster.start([], { queues: [] })
    const digest = new Probe().worker('digest', rarely())
    digest.start = () => Promise.reject(new Error('no licence'))
    const failed = await cluster.start([digest])
    await until('its start has failed', async () => (await failed.get('digest'))?.state === 'start-failed')
    await asking.trigger('digest')
    await until('the run was handed back', async () =>
      (await failed.health()).reasons.some(({ code }) => code === 'no-handler'),
    )
  })

  it('is missed for want of a handler when it was handed back five times, its worker declared or not', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const logger = new RecordingLogger()
    const declaring = await cluster.start([probe.worker('digest', rarely())], { queues: [] })
    await cluster.start([probe.worker('other', rarely())], { logger })
    const triggeredAt = Date.now()
    const runId = await declaring.trigger('digest')

    expect(await untilOver(declaring, runId)).toMatchObject({ outcome: 'missed', reason: 'no-handler' })
    expect(Date.now() - triggeredAt).toBeGreaterThan(9_900)
    expect((await declaring.get('digest'))?.state).not.toBe('orphaned')
    // Said once, not five times.
    expect(logger.lines.filter(({ data }) => data.runId === runId && data.reason === undefined)).toHaveLength(1)
    // The guard is free again.
    await declaring.cancel(await declaring.trigger('digest'))
    expect(probe.calls).toEqual([])
  })

  it('is not given up while a live instance that takes the queue has the worker, however often it comes to another', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const gate = Promise.withResolvers<void>()
    // Its own start takes long, so the run goes back and forth.
    const slow = Object.assign(probe.worker('digest', rarely()), { start: () => gate.promise })
    const having = await cluster.start([slow])
    await cluster.start([probe.worker('other', rarely())])
    const runId = await (await cluster.start([], { queues: [] })).trigger('digest')
    const job = `{${cluster.applicationName}}:runs.default:${runId}`
    await until('the run has been taken 9 times', async () => Number(await cluster.redis.hget(job, 'ats')) >= 9)

    gate.resolve()

    expect(await untilOver(having, runId)).toMatchObject({ outcome: 'succeeded', attempts: 1 })
    expect(probe.callsOf('digest')).toHaveLength(1)
  })

  it('is missed for want of a handler once its worker is orphaned', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const worker = await cluster.start([probe.worker('digest', rarely()), probe.worker('other', rarely())])
    await worker.stop()
    const left = cluster.instance()
    const orphaned = listen(left, 'worker-orphaned')
    const skips = listen(left, 'run-skipped')
    await left.add(probe.worker('other', rarely()))
    await left.start()
    const runId = await left.trigger('digest')

    const record = await untilOver(left, runId)

    expect(record).toMatchObject({ outcome: 'missed', reason: 'no-handler', attempts: 0, kind: 'manual' })
    await until('both are told', () => orphaned.length > 0 && skips.length > 0)
    expect(orphaned).toEqual([{ worker: 'digest' }])
    expect(skips).toMatchObject([{ runId, outcome: 'missed', reason: 'no-handler' }])
    expect(await left.get('digest')).toMatchObject({ state: 'orphaned' })
    expect(probe.calls).toEqual([])
  })
})

describe.concurrent('a worker with a queue of its own', () => {
  it('runs only on the instances that take its queue', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const workers = (on: string) => [
      probe.worker('report', every('1s'), { on, policy: { queue: 'heavy' } }),
      probe.worker('digest', every('1s'), { on }),
    ]
    const light = await cluster.start(workers('light'))
    const heavy = await cluster.start(workers('heavy'), { queues: ['heavy'] })
    await cluster.start(workers('control'), { queues: [] })
    await until('both have run 3 times', () => ['report', 'digest'].every((name) => probe.callsOf(name).length >= 3))
    await untilOver(light, await triggerWhenIdle())

    expect(new Set(probe.callsOf('report').map(({ on }) => on))).toEqual(new Set(['heavy']))
    expect(new Set(probe.callsOf('digest').map(({ on }) => on))).toEqual(new Set(['light']))
    const { instances } = await until('it knows all three', async () => {
      const health = await heavy.health()
      return health.instances?.length === 3 && health
    })
    expect(instances?.map(({ queues }) => queues).toSorted()).toEqual([[], ['default'], ['heavy']])

    await heavy.stop()
    await until('nobody is there to run it', async () => (await light.get('report'))?.state === 'no-handler')

    async function triggerWhenIdle() {
      return until('it can be triggered', () => light.trigger('report').catch(() => undefined))
    }
  })
})
