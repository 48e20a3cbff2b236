import { type RunRecord, every } from '@background-workers/abstractions'
import { type TestContext, describe, it } from 'vitest'
import type { BullMqBackgroundWorkerManager } from '../src/index.ts'
import { HOUR_MS } from './fixtures/cluster.ts'
import { PATIENCE, countingWorker, faultManager, ownApplication } from './fixtures/fault-manager.ts'
import { FaultProcess } from './fixtures/fault-process.ts'
import { stoodStillMs } from './fixtures/running-clock.ts'
import { passed } from './fixtures/until.ts'

/**
 * A lease of 20 s (LEASE_MS), and less than two looks for runs without one, which are 4 s apart (STALLED_CHECK_MS): a look that comes
 * too soon after another instance's is left out. That is 28 s. It may wait for a place for 1 s (TAKEN_UP_MS), and 1 s is left for
 * Redis and the writing.
 */
const LOST_WITHIN_MS = 30_000

/** Generous, while LOST_WITHIN_MS is judged by what is recorded. */
const PATIENCE_FOR_LOST = { ...PATIENCE, timeout: 90_000 }

describe.concurrent('a process that is killed in mid-run', () => {
  it('leaves a run that is recorded as lost, other workers untouched, and later slots that run', async (test) => {
    const { expect } = test
    const { options } = await ownApplication(test)
    const dying = await FaultProcess.start(test, {
      options: { ...options, commandTimeoutMs: 2_000 },
      workers: [
        { name: 'mortal', schedule: every(5_000), work: 'ignore-signal', forMs: HOUR_MS },
        { name: 'other', schedule: every(1_000) },
      ],
    })
    const { runId } = (await dying.waitFor((event) => event.event === 'body' && event.worker === 'mortal')) as {
      runId: string
    }
    const { manager, events } = faultManager(test, options)
    const mortal = countingWorker('mortal', every(5_000))
    const other = countingWorker('other', every(1_000))
    for (const { worker } of [mortal, other]) await manager.add(worker)
    await manager.start()
    await isLostInTime(test, manager, dying, runId)
    await expect.poll(() => mortal.runs.length, PATIENCE).toBeGreaterThan(0)
    expect(mortal.runs.map((run) => run.runId)).not.toContain(runId)
    // Meanwhile its slots met the guard.
    const skipped = (await manager.runs('mortal')).filter(({ blockedBy }) => blockedBy === runId)
    expect(skipped.length).toBeGreaterThan(0)
    for (const record of skipped) expect(record).toMatchObject({ outcome: 'skipped', reason: 'overlap' })
    // A slot whose tick died with the process may be missing for 10 s.
    await expect.poll(() => other.runs.length, PATIENCE).toBeGreaterThan(8)
    expect(new Set(other.runs.map(({ slot }) => slot)).size).toBe(other.runs.length)
    expect(await manager.get('mortal')).toMatchObject({ lastFailure: { outcome: 'lost' } })
    // Health says so until a run has succeeded.
    const ofLost = () =>
      events
        .filter(({ payload }) => (payload as { code?: string } | undefined)?.code === 'lost')
        .map(({ name }) => name)
    await expect.poll(ofLost, PATIENCE).toEqual(['health-reason-added', 'health-reason-cleared'])
  })

  for (const onCrash of ['next-slot', 'recover'] as const) {
    it(`leaves a run that is recorded as lost while no place is free to take its job up, with onCrash ${onCrash}`, async (test) => {
      const { expect } = test
      const { options } = await ownApplication(test)
      const dying = await FaultProcess.start(test, {
        options,
        workers: [
          { name: 'mortal', schedule: every(HOUR_MS), policy: { onCrash }, work: 'ignore-signal', forMs: HOUR_MS },
        ],
      })
      const { value: runId } = await dying.call('trigger', 'mortal')
      await dying.waitFor((event) => event.event === 'body')
      const { manager } = faultManager(test, { ...options, concurrency: 1 })
      const isOver = Promise.withResolvers<void>()
      const long = countingWorker('long', every(HOUR_MS), () => isOver.promise)
      const mortal = countingWorker('mortal', every(HOUR_MS), () => {}, { onCrash })
      for (const { worker } of [long, mortal]) await manager.add(worker)
      await manager.start()
      await manager.trigger('long')
      await expect.poll(() => long.runs.length, PATIENCE).toBe(1)
      await isLostInTime(test, manager, dying, runId)
      // One that is to be run again keeps the guard until then.
      const { state } = (await manager.get('mortal')) ?? {}
      expect(state).toBe(onCrash === 'recover' ? 'running' : 'idle')
      isOver.resolve()
      if (onCrash === 'next-slot')
        await expect.poll(() => manager.trigger('mortal').catch(() => undefined), PATIENCE).toBeDefined()
      await expect.poll(() => mortal.runs.length, PATIENCE).toBe(1)
      expect((await manager.runs('mortal')).map(({ outcome }) => outcome)).toContain('lost')
    })
  }

  it('with onCrash recover is run once more elsewhere', async (test) => {
    const { expect } = test
    const { options } = await ownApplication(test)
    const policy = { onCrash: 'recover' } as const
    const dying = await FaultProcess.start(test, {
      options,
      workers: [{ name: 'mortal', schedule: every(HOUR_MS), policy, work: 'ignore-signal', forMs: HOUR_MS }],
    })
    const { value: runId } = await dying.call('trigger', 'mortal')
    await dying.waitFor((event) => event.event === 'body')
    const { manager, events } = faultManager(test, options)
    const mortal = countingWorker('mortal', every(HOUR_MS), () => {}, policy)
    await manager.add(mortal.worker)
    await manager.start()
    const [killedAt, stoodStillBefore] = [Date.now(), stoodStillMs()]
    dying.signal('SIGKILL')

    await expect.poll(() => mortal.runs.length, PATIENCE_FOR_LOST).toBe(1)
    expect(mortal.runs[0]).toMatchObject({ runId })
    const outcomes = async () => (await manager.runs('mortal')).map(({ outcome }) => outcome)
    await expect.poll(outcomes, PATIENCE).toEqual(expect.arrayContaining(['succeeded', 'lost']))
    const finished = events.filter(({ name }) => name === 'run-finished').map(({ payload }) => payload)
    expect(finished).toMatchObject([
      { runId, outcome: 'lost', reason: 'crash' },
      { runId, outcome: 'succeeded' },
    ])
    const recoveredAfterMs = Number((finished[1] as RunRecord).startedAt) - killedAt
    expect(recoveredAfterMs).toBeLessThan(LOST_WITHIN_MS + stoodStillMs() - stoodStillBefore)
    await passed(Date.now() + 6_000)
    expect(mortal.runs).toHaveLength(1)
    await expect.poll(async () => (await manager.get('mortal'))?.state, PATIENCE).toBe('idle')
  })
})

/** Kills the process of the run of `mortal`, which is then recorded as lost in time. */
async function isLostInTime(
  { expect }: TestContext,
  manager: BullMqBackgroundWorkerManager,
  dying: FaultProcess,
  runId: unknown,
): Promise<void> {
  const [killedAt, stoodStillBefore] = [Date.now(), stoodStillMs()]
  dying.signal('SIGKILL')
  const lost = async () => (await manager.runs('mortal')).find((run) => run.outcome === 'lost')
  await expect.poll(lost, PATIENCE_FOR_LOST).toMatchObject({ runId, reason: 'crash' })
  const lostAfterMs = Number((await lost())?.finishedAt) - killedAt
  expect(lostAfterMs).toBeLessThan(LOST_WITHIN_MS + stoodStillMs() - stoodStillBefore)
}
