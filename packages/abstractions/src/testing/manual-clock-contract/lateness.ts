import assert from 'node:assert/strict'
import type { IBackgroundWorkerManager } from '../../manager.ts'
import type { PeriodicWorkerPolicy } from '../../policy.ts'
import type { RunRecord } from '../../run-record.ts'
import { every } from '../../schedule.ts'
import type { ContractGroup } from '../contract-suite.ts'
import type { ProbeWorker } from '../manager-contract/probe-worker.ts'
import { type ClockApplication, DAY_MS, HOUR_MS, MINUTE_MS, NOTICED_WITHIN_MS } from './clock-application.ts'

const noon = '2026-06-01T12:00:00Z'

/** A worker at every full hour, started at noon plus a minute. */
async function startHourly(
  app: ClockApplication,
  policy: PeriodicWorkerPolicy = {},
): Promise<{ manager: IBackgroundWorkerManager; worker: ProbeWorker; decided: RunRecord[] }> {
  app.setTime(noon)
  app.clock.step(MINUTE_MS)
  const worker = app.rareWorker({ name: 'hourly', schedule: every('1h', { offset: 0 }), policy })
  const manager = await app.start([worker])
  return { manager, worker, decided: app.decisions(manager) }
}

/** Lets the machine sleep until this time of the day at which the worker was started, and notice that. */
async function sleepUntil(app: ClockApplication, time: string): Promise<void> {
  app.clock.sleep(Date.parse(`2026-06-01T${time}Z`) - app.clock.now())
  await app.clock.advance(NOTICED_WITHIN_MS)
}

const short = (record: RunRecord | undefined) =>
  record && [
    record.scheduledFor.toISOString().slice(11, 16),
    record.outcome ?? record.kind,
    record.reason,
    record.missedSlots ?? 0,
  ]

/** The tests of promise 6 that let time pass. */
export const clockLateness: ContractGroup<ClockApplication> = {
  title: '6. Lateness',
  tests: {
    async 'runs a slot that is late but inside the window as a catch-up'(app) {
      const { worker, decided } = await startHourly(app)
      await sleepUntil(app, '13:20:00')
      assert.deepEqual(decided.map(short), [['13:00', 'catch-up', undefined, 0]])
      const lateByMs = decided[0]?.lateByMs as number
      assert.ok(lateByMs >= 20 * MINUTE_MS && lateByMs <= 20 * MINUTE_MS + NOTICED_WITHIN_MS, `${lateByMs}`)
      assert.deepEqual([worker.calls[0]?.kind, worker.calls[0]?.missedSlots], ['catch-up', 0])
      await app.clock.advance(HOUR_MS)
      assert.deepEqual(short(decided[1]), ['14:00', 'scheduled', undefined, 0])
    },

    async 'records a slot outside the window as missed, and goes on with the next'(app) {
      const { manager, worker, decided } = await startHourly(app)
      const skips = app.listen(manager, 'run-skipped')
      await sleepUntil(app, '13:40:00')
      assert.deepEqual(decided.map(short), [['13:00', 'missed', 'late', 0]])
      assert.ok((decided[0]?.lateByMs as number) >= 40 * MINUTE_MS)
      assert.deepEqual(skips, decided)
      assert.deepEqual(await app.records(manager, 'hourly'), decided)
      assert.equal(worker.calls.length, 0)
      await app.clock.advance(HOUR_MS)
      assert.deepEqual(short(decided[1]), ['14:00', 'scheduled', undefined, 0])
    },

    async 'decides about the latest due slot and counts those before it'(app) {
      const { worker, decided } = await startHourly(app)
      await sleepUntil(app, '17:10:00')
      assert.deepEqual(decided.map(short), [['17:00', 'catch-up', undefined, 4]])
      assert.deepEqual([worker.calls[0]?.kind, worker.calls[0]?.missedSlots], ['catch-up', 4])
      await sleepUntil(app, '20:45:00')
      assert.deepEqual(short(decided[1]), ['20:00', 'missed', 'late', 2])
      assert.equal(decided.length, 2)
    },

    async 'runs a slot that is late by up to a second as scheduled'(app) {
      for (const [lateByMs, kind] of [
        [1_000, 'scheduled'],
        [1_001, 'catch-up'],
      ] as const) {
        const { manager, worker, decided } = await startHourly(app)
        await app.clock.advance(58 * MINUTE_MS)
        app.clock.step(lateByMs)
        await app.clock.advance(MINUTE_MS)
        assert.deepEqual(decided.map(short), [['13:00', kind, undefined, 0]])
        assert.deepEqual([decided[0]?.lateByMs, worker.calls[0]?.kind], [lateByMs, kind])
        await app.stop(manager)
      }
    },

    async 'records every late slot as missed where the policy says so'(app) {
      const { worker, decided } = await startHourly(app, { misfire: 'skip' })
      await sleepUntil(app, '13:05:00')
      assert.deepEqual(decided.map(short), [['13:00', 'missed', 'late', 0]])
      await app.clock.advance(HOUR_MS)
      assert.deepEqual(short(decided[1]), ['14:00', 'scheduled', undefined, 0])
      assert.equal(worker.calls.length, 1)
    },

    async 'keeps to the catch-up window of the policy'(app) {
      const { worker, decided } = await startHourly(app, { catchUpWindowMs: 10 * MINUTE_MS })
      await sleepUntil(app, '13:05:00')
      await sleepUntil(app, '14:12:00')
      assert.deepEqual(decided.map(short), [
        ['13:00', 'catch-up', undefined, 0],
        ['14:00', 'missed', 'late', 0],
      ])
      assert.equal(worker.calls.length, 1)
    },

    async 'runs a slot on time also with a window of zero'(app) {
      const { decided } = await startHourly(app, { catchUpWindowMs: 0 })
      await app.clock.advance(HOUR_MS)
      assert.deepEqual(decided.map(short), [['13:00', 'scheduled', undefined, 0]])
    },

    async 'lets a slot of a rare worker be at most an hour late'(app) {
      app.setTime(noon)
      const worker = app.rareWorker({ schedule: every('1d', { offset: 13 * HOUR_MS }) })
      const manager = await app.start([worker])
      const decided = app.decisions(manager)
      app.clock.sleep(HOUR_MS + 50 * MINUTE_MS)
      await app.clock.advance(NOTICED_WITHIN_MS)
      app.clock.sleep(DAY_MS + 20 * MINUTE_MS)
      await app.clock.advance(NOTICED_WITHIN_MS)
      assert.deepEqual(decided.map(short), [
        ['13:00', 'catch-up', undefined, 0],
        ['13:00', 'missed', 'late', 0],
      ])
    },

    async 'owes nothing for time that was slept through while paused'(app) {
      const { manager, decided } = await startHourly(app)
      await manager.pause('hourly')
      app.clock.sleep(7 * DAY_MS)
      await app.clock.advance(NOTICED_WITHIN_MS)
      await manager.resume('hourly')
      await app.clock.advance(HOUR_MS)
      assert.equal(decided.length, 1)
      assert.deepEqual([decided[0]?.kind, decided[0]?.missedSlots], ['scheduled', undefined])
    },

    async 'owes nothing for the time before a change of schedule'(app) {
      const { manager, decided } = await startHourly(app)
      app.clock.sleep(7 * DAY_MS)
      await manager.reschedule('hourly', every('10m', { offset: 0 }))
      await app.clock.advance(10 * MINUTE_MS)
      assert.deepEqual(
        decided.map((record) => [record.kind, record.missedSlots]),
        [['scheduled', undefined]],
      )
    },

    async 'starts no retry at or after the next slot when the machine slept meanwhile'(app) {
      app.setTime(noon)
      const worker = app.rareWorker({
        name: 'hourly',
        schedule: every('1h', { offset: 0 }),
        policy: { retry: { attempts: 2, backoffMs: 10 * MINUTE_MS } },
        doWork: () => Promise.reject(new Error('broken')),
      })
      const manager = await app.start([worker])
      await app.clock.advance(HOUR_MS)
      app.clock.sleep(2 * HOUR_MS)
      await app.clock.advance(15 * MINUTE_MS)
      const first = (await app.records(manager, 'hourly')).at(-1)
      assert.deepEqual([first?.outcome, first?.attempts], ['failed', 1])
    },

    async 'moves the slots of a worker with jitter by the same on every instance, below the gap'(app) {
      app.setTime(noon)
      const parts = { name: 'hourly', schedule: every('1h', { offset: 0 }), policy: { jitterMs: 2 * HOUR_MS } }
      const [one, other] = [app.rareWorker(parts), app.rareWorker(parts)]
      await app.start([one])
      await app.start([other])
      await app.clock.advance(20 * HOUR_MS)
      const delays = one.calls.map(({ startedAt, scheduledFor }) => startedAt.getTime() - scheduledFor.getTime())
      assert.ok(one.calls.length >= 19)
      assert.ok(delays.every((delayMs) => delayMs >= 0 && delayMs < HOUR_MS))
      assert.ok(new Set(delays).size > 10, 'the delays differ')
      assert.deepEqual(
        other.calls.map(({ startedAt }) => startedAt),
        one.calls.map(({ startedAt }) => startedAt),
      )
      assert.deepEqual(
        one.calls.map(({ kind }) => kind),
        one.calls.map(() => 'scheduled'),
      )
    },

    async 'counts the lateness of a slot with jitter from the moved time'(app) {
      const { manager, worker, decided } = await startHourly(app, { jitterMs: 10 * MINUTE_MS, catchUpWindowMs: 0 })
      await app.clock.advance(5 * HOUR_MS)
      assert.ok(decided.length >= 4)
      assert.deepEqual(
        decided.map(({ kind, lateByMs }) => [kind, lateByMs]),
        decided.map(() => ['scheduled', 0]),
      )
      assert.equal(worker.calls.length, decided.length)
      await manager.remove('hourly')
    },
  },
}
