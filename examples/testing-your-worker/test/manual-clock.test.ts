import { ManualClock, waitForRun } from '@background-workers/abstractions/testing'
import { DefaultBackgroundWorkerManager } from '@background-workers/default-manager'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { PassiveUserCheckerWorker } from '../src/passive-user-checker-worker.ts'
import { FakeUserRepository } from './fake-user-repository.ts'

// A manager on a clock that the test moves: hours pass at once, and only when the test says so. Nothing global is
// replaced, and `advance` waits for what it has set off.

const TEN_MINUTES_MS = 600_000
const WORKER = 'passive-user-checker'

let clock: ManualClock
let userRepository: FakeUserRepository
let manager: DefaultBackgroundWorkerManager

beforeEach(async () => {
  clock = new ManualClock(Date.parse('2026-03-01T12:00:00Z'))
  userRepository = new FakeUserRepository({ Alan: '2026-01-15' })
  // In the application: an awilix container. A test needs one method.
  const scopeFactory = { createScope: () => ({ resolve: () => userRepository, dispose() {} }) }
  manager = new DefaultBackgroundWorkerManager({ clock, scopeFactory })
  await manager.add(new PassiveUserCheckerWorker())
  await manager.start()
})

afterEach(async () => {
  await manager.stop()
  // The manager has taken all its timers back.
  expect(clock.timerCount).toBe(0)
})

describe('the schedule', () => {
  it('runs every ten minutes', async () => {
    await clock.advance(3 * TEN_MINUTES_MS)
    const runs = await manager.runs(WORKER)
    expect(runs.map(({ outcome }) => outcome)).toEqual(['succeeded', 'succeeded', 'succeeded'])
    expect(userRepository.passive).toEqual(['Alan'])
  })

  it('catches up with one run after the machine has slept', async () => {
    await clock.advance(await msUntilNextSlot())
    // Three slots go by; the last one was a minute ago when the machine wakes. (A sleep stops timers.)
    clock.sleep(3 * TEN_MINUTES_MS + 60_000)
    await clock.advance(60_000)
    const [newest, ...earlier] = await manager.runs(WORKER)
    expect(newest).toMatchObject({ kind: 'catch-up', missedSlots: 2, outcome: 'succeeded' })
    expect(earlier).toHaveLength(1)
  })
})

describe('a run that is triggered', () => {
  it('says who wanted it, and comes apart from the schedule', async () => {
    const runId = await manager.trigger(WORKER, { by: 'a test' })
    const record = await waitForRun(manager, WORKER, { runId })
    expect(record).toMatchObject({ kind: 'manual', by: 'a test', outcome: 'succeeded' })
  })

  it('makes a slot that comes meanwhile skipped', async () => {
    const databaseAnswers = Promise.withResolvers<void>()
    userRepository.beforeEach = () => databaseAnswers.promise
    await clock.advance((await msUntilNextSlot()) - 1_000)
    const runId = await manager.trigger(WORKER)
    await clock.advance(1_000)
    const skipped = await waitForRun(manager, WORKER, { outcome: 'skipped' })
    expect(skipped).toMatchObject({ reason: 'overlap', blockedBy: runId })
    databaseAnswers.resolve()
    expect(await waitForRun(manager, WORKER, { runId })).toMatchObject({ outcome: 'succeeded' })
  })
})

describe('a stop', () => {
  it('tells the run that it is time to end, when the deadline has passed', async () => {
    const databaseAnswers = Promise.withResolvers<void>()
    userRepository.beforeEach = () => databaseAnswers.promise
    const runId = await manager.trigger(WORKER)
    const stopping = manager.stop({ timeoutMs: 5_000 })
    await clock.advance(5_000)
    expect(await waitForRun(manager, WORKER, { runId })).toMatchObject({ outcome: 'aborted', reason: 'stop' })
    databaseAnswers.resolve()
    expect(await stopping).toEqual({ finished: 1, aborted: 1, abandoned: [] })
  })
})

/** Slots are spread by a hash of the worker's name, so the next one is asked for and not reckoned. */
async function msUntilNextSlot(): Promise<number> {
  const status = await manager.get(WORKER)
  return (status?.nextDueAt?.getTime() ?? Number.NaN) - clock.now()
}
