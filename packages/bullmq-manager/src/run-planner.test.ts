import { every } from '@background-workers/abstractions'
import { fillPolicy } from '@background-workers/abstractions/for-managers'
import { DelayedError } from 'bullmq'
import { expect, it } from 'vitest'
import { RedisClock } from './redis-clock.ts'
import { type RunCase, RunPlanner, type RunPlannerParts } from './run-planner.ts'

const HOUR_MS = 3_600_000
const slot = 1_767_225_600_000

/** The run of a daily slot that has come, where the clock of its instance says that it is 15 h early. */
function earlyRun(redisNow: number) {
  const clock = new RedisClock()
  clock.note([(slot - 15 * HOUR_MS) / 1_000, 0], performance.now())
  const definition = { schedule: every(24 * HOUR_MS, { offset: 0 }), policy: fillPolicy({}) }
  const planner = new RunPlanner({
    clock,
    client: { time: async () => [redisNow / 1_000, 0] },
    store: { read: async () => ({ name: 'digest', definition }) },
    runQueues: { token: () => 'token' },
    lostRuns: { earlierStart: async () => 'never-started' },
    entries: new Map([['digest', { definition: { kind: 'periodic' }, starter: { isReady: true } }]]),
    known: () => undefined,
  } as unknown as RunPlannerParts)
  const putOffTo: number[] = []
  const runCase = {
    runId: `digest.${slot}`,
    queue: 'default',
    data: { worker: 'digest', kind: 'scheduled', slot, missedSlots: 0 },
    job: { moveToDelayed: async (to: number) => void putOffTo.push(to) },
  } as unknown as RunCase
  return { putOffTo, plan: () => planner.plan(runCase, false) }
}

it('has a run that comes early for a clock here that stood still come again at once, and then start', async () => {
  const { putOffTo, plan } = earlyRun(slot + 10 * 60_000)
  await expect(plan()).rejects.toBeInstanceOf(DelayedError)
  expect(putOffTo).toHaveLength(1)
  expect(putOffTo[0]).toBeLessThanOrEqual(Date.now())
  expect((await plan())?.plan).toMatchObject({ kind: 'catch-up', scheduledForMs: slot })
  expect(putOffTo).toHaveLength(1)
})

it('puts a run off that a machine has brought that is ahead of Redis, by what is left', async () => {
  const { putOffTo, plan } = earlyRun(slot - HOUR_MS)
  const before = Date.now()
  await expect(plan()).rejects.toBeInstanceOf(DelayedError)
  expect(putOffTo).toHaveLength(1)
  expect(putOffTo[0]).toBeGreaterThan(before + HOUR_MS / 2)
  expect(putOffTo[0]).toBeLessThanOrEqual(Date.now() + HOUR_MS)
})
