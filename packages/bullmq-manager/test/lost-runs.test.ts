import { type RunRecord, silentLogger } from '@background-workers/abstractions'
import { fillPolicy, safeLogger } from '@background-workers/abstractions/for-managers'
import { describe, it } from 'vitest'
import { CancelRequests } from '../src/cancel-requests.ts'
import { Keys } from '../src/keys.ts'
import { LostRuns } from '../src/lost-runs.ts'
import { RedisClock } from '../src/redis-clock.ts'
import { RunQueues } from '../src/run-queues.ts'
import { UnstartedRuns } from '../src/unstarted-runs.ts'
import { withWriteLock } from '../src/write-lock.ts'
import { claimedRun } from './fixtures/claimed-run.ts'
import { TestCluster, lastRareSlot, rarely, untilOver } from './fixtures/cluster.ts'
import { Probe } from './fixtures/probe.ts'
import { until } from './fixtures/until.ts'

const SLOT = lastRareSlot()
const { record: RECORD, claim: CLAIM } = claimedRun(SLOT)
const { runId: RUN_ID, worker: WORKER } = RECORD

/** The claim of the instance that runs it again. */
const SECOND_CLAIM = { ...CLAIM, token: 'default/two/1', startedBefore: SLOT, isRecovery: true }

/** A run whose process has died: it has started, and its job waits for a place. */
async function crashedRun(onCrash: 'next-slot' | 'recover') {
  const cluster = await TestCluster.open()
  const store = cluster.store()
  const keys = new Keys(cluster.applicationName)
  const runQueues = new RunQueues({
    client: cluster.redis,
    keys,
    onError: () => {},
  })
  const told: unknown[] = []
  const tell = ({ runId, outcome }: RunRecord) => told.push([runId, outcome])
  const parts = { clock: new RedisClock(), store, runQueues, takenQueues: () => [], runFinished: tell }
  const unstartedRuns = new UnstartedRuns({ ...parts, instanceId: 'two', slotSkipped: tell })
  const lostRuns = new LostRuns({
    ...parts,
    unstartedRuns,
    logger: safeLogger(silentLogger),
    isQueueTaken: () => true,
    failuresCounted: (_record, failures) => told.push(failures),
  })
  const definition = {
    schedule: rarely(),
    policy: fillPolicy({ onCrash }),
    release: 0,
    declaredAt: SLOT,
    instanceId: 'one',
    since: SLOT,
    order: 0,
  }
  const declaration = { name: WORKER, definition, decidedUpTo: SLOT, dropsOverride: false }
  await withWriteLock(cluster.redis, keys, async (lockToken) => void (await store.declare([declaration], lockToken)))
  await runQueues.add('default', {
    runId: RUN_ID,
    worker: WORKER,
    kind: 'scheduled',
    slot: SLOT,
    missedSlots: 0,
    delayMs: 0,
  })
  await store.decideRun(RECORD, CLAIM)
  return {
    cluster,
    store,
    runQueues,
    lostRuns,
    requests: new CancelRequests({ ...parts, client: cluster.redis, keys, unstartedRuns, heldRun: () => undefined }),
    told,
    active: async () => (await store.read(WORKER)).active,
    outcomes: async () => (await store.records(WORKER, undefined)).map(({ outcome }) => outcome ?? 'running'),
    noteWaiting: () => lostRuns.noteWaiting('default', RUN_ID),
    /** BullMQ has failed its job. */
    giveUp: async () => {
      const job = await runQueues.getJob('default', RUN_ID)
      if (job) await lostRuns.giveUp(job, { reason: 'crash' })
    },
    /** What another instance finds that takes its job up, which was found without its lease before. */
    takeUp: async (stored?: Awaited<ReturnType<typeof store.read>>) => {
      await cluster.redis.hset(cluster.key(`runs.default:${RUN_ID}`), 'stc', 1)
      const job = await runQueues.getJob('default', RUN_ID)
      if (!job) throw new Error('Its job is gone.')
      return lostRuns.earlierStart(job, RUN_ID, stored ?? (await store.read(WORKER)))
    },
    async [Symbol.asyncDispose]() {
      await runQueues.close()
      await cluster[Symbol.asyncDispose]()
    },
  }
}

describe.concurrent('a run that waits after its process has died', () => {
  it('is recorded as lost and told once, and its worker may run again', async ({ expect }) => {
    await using run = await crashedRun('next-slot')
    await run.noteWaiting()
    await run.noteWaiting()
    expect([run.told, await run.outcomes(), await run.active()]).toEqual([[[RUN_ID, 'lost'], 1], ['lost'], undefined])
    expect(await run.takeUp()).toBe('ended')
    expect(run.told).toHaveLength(2)
  })

  it('with onCrash recover is told once too, and keeps the guard until it is started again', async ({ expect }) => {
    await using run = await crashedRun('recover')
    await run.noteWaiting()
    await run.noteWaiting()
    expect([run.told, await run.outcomes()]).toEqual([[[RUN_ID, 'lost'], 1], ['lost']])
    expect(await run.active()).toMatchObject({ token: CLAIM.token, record: { runId: RUN_ID } })
    expect(await run.takeUp()).toBe('to-recover')
    expect(await run.active()).toBeUndefined()
    expect(await run.store.decideRun(RECORD, SECOND_CLAIM)).toEqual({ lastSucceededAtMs: undefined })
    expect((await run.outcomes()).sort()).toEqual(['lost', 'running'])
    expect(run.told).toHaveLength(2)
  })

  it('with onCrash recover is started again by an instance that looked before it was recorded', async ({ expect }) => {
    await using run = await crashedRun('recover')
    const stored = await run.store.read(WORKER)
    await run.noteWaiting()
    expect(await run.takeUp(stored)).toBe('to-recover')
    expect([run.told, await run.active()]).toEqual([[[RUN_ID, 'lost'], 1], undefined])
  })

  it('with onCrash recover has ended when its second process has died too', async ({ expect }) => {
    await using run = await crashedRun('recover')
    await run.takeUp()
    await run.store.decideRun({ ...RECORD, instanceId: 'two' }, SECOND_CLAIM)
    await run.noteWaiting()
    expect(run.told).toEqual([[RUN_ID, 'lost'], 1, [RUN_ID, 'lost'], 2])
    expect([await run.outcomes(), await run.active()]).toEqual([['lost', 'lost'], undefined])
    expect(await run.takeUp()).toBe('ended')
  })

  it('with onCrash recover can be cancelled before it is started again', async ({ expect }) => {
    await using run = await crashedRun('recover')
    await run.noteWaiting()
    const manager = await run.cluster.start([], { queues: [] })
    expect(await manager.cancel(RUN_ID)).toBe(true)
    const { active, lastRun } = await run.store.read(RECORD.worker)
    expect([active, lastRun?.outcome, lastRun?.reason]).toEqual([undefined, 'lost', 'crash'])
    expect(await run.runQueues.getJob('default', RUN_ID)).toBeUndefined()
  })

  it('with onCrash recover is not started again when it was cancelled before it was found out', async ({ expect }) => {
    await using run = await crashedRun('recover')
    const { cluster } = run
    const elsewhere = await cluster.start([], { queues: [] })
    expect(await elsewhere.cancel(RUN_ID)).toBe(true)
    await cluster.redis.hset(cluster.key(`runs.default:${RUN_ID}`), { stc: 1, ats: 1 })
    const probe = new Probe()
    const manager = await cluster.start([probe.worker(WORKER, rarely(), { policy: { onCrash: 'recover' } })])
    await cluster.runsSettle()
    expect([probe.calls, await run.outcomes(), await run.active()]).toEqual([[], ['lost'], undefined])
    // The guard is free.
    await manager.trigger(WORKER)
    await cluster.runsSettle()
    expect(probe.calls).toHaveLength(1)
  })

  it('with onCrash recover can have been cancelled long before it is taken up', async ({ expect }) => {
    await using run = await crashedRun('recover')
    const { cluster, requests } = run
    await cluster.redis.hset(cluster.key('cancels'), RUN_ID, '1 ada')
    await requests.look()
    await run.noteWaiting()
    await requests.look()
    expect(await run.takeUp()).toBe('to-recover')
    // Nothing is active now; it is asked next whether it was cancelled.
    await requests.look()
    expect(await requests.find(RUN_ID)).toEqual({ at: 1, by: 'ada' })
    await (await run.runQueues.getJob('default', RUN_ID))?.remove()
    await requests.look()
    expect(await requests.find(RUN_ID)).toBeUndefined()
  })

  it('that has never started, as it was put off, can have been cancelled long before it is taken up', async ({
    expect,
  }) => {
    await using run = await crashedRun('next-slot')
    const { cluster, requests } = run
    expect(await run.store.undecideRun(RECORD, CLAIM)).toBe(true)
    await cluster.redis.hset(cluster.key('cancels'), RUN_ID, '1 ada')
    await requests.look()
    expect(await requests.find(RUN_ID)).toEqual({ at: 1, by: 'ada' })
    await cluster.redis.hset(cluster.key(`runs.default:${RUN_ID}`), 'ats', 1)
    const probe = new Probe()
    const manager = await cluster.start([probe.worker(WORKER, rarely())])
    await cluster.runsSettle()
    const [record] = await manager.runs(WORKER)
    expect([probe.calls, record]).toMatchObject([[], { runId: RUN_ID, outcome: 'aborted', by: 'ada' }])
    await requests.look()
    expect(await requests.find(RUN_ID)).toBeUndefined()
  })

  it('is left alone once its job has been taken up', async ({ expect }) => {
    await using run = await crashedRun('next-slot')
    const [wait, active] = [run.cluster.key('runs.default:wait'), run.cluster.key('runs.default:active')]
    expect(await run.cluster.redis.lmove(wait, active, 'LEFT', 'LEFT')).toBe(RUN_ID)
    await run.noteWaiting()
    expect([run.told, await run.outcomes()]).toEqual([[], ['running']])
  })

  it('is left alone when it is taken up and started again just after its job was seen to wait', async ({ expect }) => {
    await using run = await crashedRun('recover')
    const getJob = run.runQueues.getJob.bind(run.runQueues)
    run.runQueues.getJob = async (...which) => {
      const job = await getJob(...which)
      const getState = job?.getState.bind(job)
      if (!job || !getState) return undefined
      job.getState = async () => {
        const state = await getState()
        run.runQueues.getJob = getJob
        await run.takeUp()
        await run.store.decideRun({ ...RECORD, instanceId: 'two' }, SECOND_CLAIM)
        return state
      }
      return job
    }
    await run.noteWaiting()
    expect(await run.active()).toMatchObject({ token: SECOND_CLAIM.token, isFinished: false })
    expect(run.told).toEqual([[RUN_ID, 'lost'], 1])
  })

  it('that has never started is no loss', async ({ expect }) => {
    await using run = await crashedRun('next-slot')
    expect(await run.store.undecideRun(RECORD, CLAIM)).toBe(true)
    await run.noteWaiting()
    expect([run.told, await run.outcomes()]).toEqual([[], []])
    expect(await run.takeUp()).toBe('never-started')
  })

  it('that has never started is missed when it is given up, and does not start any more', async ({ expect }) => {
    await using run = await crashedRun('next-slot')
    expect(await run.store.undecideRun(RECORD, CLAIM)).toBe(true)
    await run.giveUp()
    await run.giveUp()
    expect([run.told, await run.outcomes()]).toEqual([[[RUN_ID, 'missed']], ['missed']])
    expect(await run.store.decideRun(RECORD, CLAIM)).toBe('refused')
    expect(await run.takeUp()).toBe('ended')
  })

  it('is lost when it is given up', async ({ expect }) => {
    await using run = await crashedRun('next-slot')
    await run.giveUp()
    expect([run.told, await run.outcomes()]).toEqual([[[RUN_ID, 'lost'], 1], ['lost']])
  })

  for (const onCrash of ['next-slot', 'recover'] as const) {
    it(`with onCrash ${onCrash} is lost when the next run of its worker comes, where nobody has recorded that it was given up`, async ({
      expect,
    }) => {
      await using run = await crashedRun(onCrash)
      // It has given up the guard with its job.
      await (await run.runQueues.getJob('default', RUN_ID))?.remove()
      const probe = new Probe()
      const manager = await run.cluster.start([probe.worker(WORKER, rarely(), { policy: { onCrash } })])
      const runId = await manager.trigger(WORKER)
      expect(await untilOver(manager, runId)).toMatchObject({ outcome: 'succeeded' })
      expect(await run.outcomes()).toEqual(['succeeded', 'lost'])
      expect(await manager.get(WORKER)).toMatchObject({ lastFailure: { runId: RUN_ID, reason: 'crash' } })
    })
  }

  it('is not lost when the next run of its worker comes while it has its lease, and only lost its guard: that waits', async ({
    expect,
  }) => {
    await using run = await crashedRun('next-slot')
    const { cluster } = run
    await cluster.redis.set(cluster.key(`runs.default:${RUN_ID}:lock`), 'its instance')
    await cluster.redis.lrem(cluster.key('runs.default:wait'), 1, RUN_ID)
    await cluster.redis.del(cluster.key(`runs.default:de:${WORKER}`))
    const probe = new Probe()
    const manager = await cluster.start([probe.worker(WORKER, rarely())])
    await manager.trigger(WORKER)
    const isPutOff = async () => (await cluster.queue('runs.default').getDelayedCount()) === 1
    await until('that is put off', async () => probe.calls.length > 0 || (await isPutOff()))
    expect([probe.calls, await run.outcomes()]).toEqual([[], ['running']])
  })

  it('owes nothing when it is given up after its worker was removed', async ({ expect }) => {
    await using run = await crashedRun('next-slot')
    await run.store.undecideRun(RECORD, CLAIM)
    await run.store.remove(WORKER, Date.now())
    await run.giveUp()
    expect([run.told, await run.outcomes()]).toEqual([[], []])
  })
})
