import { type PauseInfo, type RunRecord, every } from '@background-workers/abstractions'
import { fillPolicy } from '@background-workers/abstractions/for-managers'
import { DelayedError } from 'bullmq'
import { type TestContext, describe, expect, it, onTestFinished, vi } from 'vitest'
import { RedisClock } from './redis-clock.ts'
import type { EarlierStart } from './lost-runs.ts'
import { type RunCase, RunPlanner, type RunPlannerParts } from './run-planner.ts'

type Test = Pick<TestContext, 'onTestFinished'>

const HOUR_MS = 3_600_000
const slot = 1_767_225_600_000

interface RunOptions {
  readonly kind?: RunRecord['kind']
  readonly earlier?: EarlierStart
  readonly paused?: PauseInfo
  readonly activeElsewhere?: string
  readonly unsettled?: string
}

/** The run of a daily slot that has come to an instance whose machine was suspended from then to now. */
function runAfterSleep(
  test: Test,
  suspendedAt: number,
  now: number,
  { kind = 'scheduled', earlier = 'never-started', paused, activeElsewhere, unsettled }: RunOptions = {},
) {
  const clock = new RedisClock()
  clock.note([suspendedAt / 1_000, 0], clock.asking())
  const realNow = Date.now
  const spy = vi.spyOn(Date, 'now').mockImplementation(() => realNow() + now - suspendedAt)
  test.onTestFinished(() => spy.mockRestore())
  const definition = { schedule: every(24 * HOUR_MS, { offset: 0 }), policy: fillPolicy({}) }
  const recorded: Partial<RunRecord>[] = []
  const planner = new RunPlanner({
    clock,
    client: { time: async () => [now / 1_000, 0] },
    store: { readWithVersion: async () => ({ stored: { name: 'digest', definition, paused }, version: '1' }) },
    runQueues: { token: () => 'token' },
    lostRuns: { earlierStart: async () => earlier, activeElsewhere: async () => activeElsewhere },
    unstartedRuns: { record: async (_run: unknown, decided: Partial<RunRecord>) => void recorded.push(decided) },
    entries: new Map([['digest', { definition: { kind: 'periodic' }, startState: 'ready' }]]),
    known: () => undefined,
    unsettledRun: () => unsettled,
  } as unknown as RunPlannerParts)
  const putOffTo: number[] = []
  const runCase = {
    runId: `digest.${slot}`,
    queue: 'default',
    data: { worker: 'digest', kind, slot, missedSlots: 0 },
    job: { moveToDelayed: async (to: number) => void putOffTo.push(to) },
  } as unknown as RunCase
  return { putOffTo, recorded, plan: () => planner.plan(runCase, false) }
}

describe.each([15 * HOUR_MS, 500, -500])(
  'a run that comes to a machine that was suspended %i ms before its slot',
  (beforeMs) => {
    it('is late by the time that it was suspended', async (test) => {
      const { plan } = runAfterSleep(test, slot - beforeMs, slot + 10 * 60_000)
      const planned = await plan()
      expect(planned?.plan).toMatchObject({ kind: 'catch-up', scheduledForMs: slot })
      expect(planned?.plan.lateByMs).toBeGreaterThanOrEqual(10 * 60_000)
    })

    it('is missed when it slept through the window of its slot', async (test) => {
      const { plan, recorded } = runAfterSleep(test, slot - beforeMs, slot + 2 * HOUR_MS)
      expect(await plan()).toBeUndefined()
      expect(recorded).toMatchObject([{ outcome: 'missed', reason: 'late' }])
    })
  },
)

it('puts a run off that a machine has brought that is ahead of Redis, by what is left', async (test) => {
  const { putOffTo, plan } = runAfterSleep(test, slot - 15 * HOUR_MS, slot - HOUR_MS)
  const before = Date.now()
  await expect(plan()).rejects.toBeInstanceOf(DelayedError)
  expect(putOffTo).toHaveLength(1)
  expect(putOffTo[0]).toBeGreaterThan(before + HOUR_MS / 2)
  expect(putOffTo[0]).toBeLessThanOrEqual(Date.now() + HOUR_MS)
})

describe('a run that is to be started once more while its worker is paused', () => {
  const paused = { since: new Date(slot) }
  const earlier = 'to-recover'

  it('is not started if it is for a slot', async (test) => {
    const { plan, recorded } = runAfterSleep(test, slot, slot, { earlier, paused })
    // Its first start is recorded.
    expect([await plan(), recorded]).toEqual([undefined, []])
  })

  it.each([
    ['is started if it was triggered', { earlier, paused, kind: 'manual' }],
    ['is started after the pause', { earlier }],
  ] as const)('%s', async (_title, options) => {
    const { plan } = runAfterSleep({ onTestFinished }, slot, slot, options)
    expect(await plan()).toBeDefined()
  })
})

describe.each([
  ['is active on another queue', { activeElsewhere: 'digest.m-1' }],
  ['goes on here, though Redis knows nothing of it', { unsettled: 'digest.m-1' }],
])('a run that comes while one of its worker %s', (_title, active) => {
  it.each(['scheduled', 'start'] as const)('is skipped (%s)', async (kind) => {
    const { plan, recorded } = runAfterSleep({ onTestFinished }, slot, slot, { kind, ...active })
    expect(await plan()).toBeUndefined()
    expect(recorded).toEqual([{ outcome: 'skipped', reason: 'overlap', blockedBy: 'digest.m-1' }])
  })

  it.each([
    ['was triggered', { kind: 'manual' }],
    ['is to be started once more', { earlier: 'to-recover' }],
  ] as const)('waits for its end if it %s', async (_title, options) => {
    const run = runAfterSleep({ onTestFinished }, slot, slot, { ...options, ...active })
    await expect(run.plan()).rejects.toBeInstanceOf(DelayedError)
    expect([run.putOffTo.length, run.recorded]).toEqual([1, []])
  })
})
