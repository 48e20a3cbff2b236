import assert from 'node:assert/strict'
import type { IBackgroundWorkerManager } from '../../manager.ts'
import type { RunRecord } from '../../run-record.ts'
import { type Schedule, cron, every } from '../../schedule.ts'
import type { ContractGroup } from '../contract-suite.ts'
import type { ProbeWorker } from '../manager-contract/probe-worker.ts'
import {
  type ClockApplication,
  DAY_MS,
  HOUR_MS,
  MINUTE_MS,
  NOTICED_WITHIN_MS,
  slotsBetween,
  timesOf,
} from './clock-application.ts'

const schedules: Readonly<Record<string, Schedule>> = {
  seconds: every('10s'),
  minutes: every('10m'),
  hourly: every('1h'),
  'twice-a-day': every('12h'),
  daily: every('1d'),
  'cron-minutes': cron('*/5 * * * *'),
  'cron-hourly': cron('@hourly'),
  'cron-daily': cron('0 3 * * *', { timeZone: 'Europe/Berlin' }),
}

interface Started {
  readonly manager: IBackgroundWorkerManager
  readonly workers: readonly ProbeWorker[]
  readonly decided: RunRecord[]
}

/** Starts a worker for each schedule and lets three days pass. */
async function startAll(app: ClockApplication): Promise<Started> {
  app.setTime('2026-06-10T12:34:56Z')
  const workers = Object.entries(schedules).map(([name, schedule]) => app.rareWorker({ name, schedule }))
  const manager = await app.start(workers)
  await app.clock.advance(DAY_MS)
  return { manager, workers, decided: app.decisions(manager) }
}

/** Asserts that a clock step of so much costs each worker one decision, and that all go on within two periods. */
async function assertOneDecisionEach(app: ClockApplication, stepMs: number): Promise<void> {
  const { manager, workers, decided } = await startAll(app)
  app.clock.step(stepMs)
  const from = app.clock.now()
  await app.clock.advance(NOTICED_WITHIN_MS)
  for (const { name, schedule } of workers) {
    const onTime = slotsBetween(schedule, name, from, app.clock.now()).length
    const count = decided.filter(({ worker }) => worker === name).length
    assert.ok(count <= onTime + 1, `${name}: ${count} decisions, ${onTime} slots were due in that minute`)
    if (stepMs >= DAY_MS) assert.ok(count >= 1, `${name}: the step was noticed`)
  }
  decided.length = 0
  await app.clock.advance(2 * DAY_MS)
  for (const { name, schedule } of workers) {
    const due = slotsBetween(schedule, name, app.clock.now() - 2 * DAY_MS, app.clock.now())
    const ran = decided.filter(({ worker }) => worker === name)
    // A step back of up to two slots is waited out, because those have been decided.
    const least = stepMs < 0 ? Math.max(1, due.length - 2) : due.length
    assert.ok(ran.length >= least, `${name} falls silent: ${ran.length} of ${due.length} slots`)
    assert.ok(ran.length <= due.length, `${name}: a burst of ${ran.length}, ${due.length} slots were due`)
    assert.deepEqual([...new Set(timesOf(ran))], timesOf(ran), `${name}: each slot once`)
    assert.ok(ran.every(({ kind, outcome }) => kind === 'scheduled' && outcome === undefined))
  }
  assert.deepEqual(await manager.health().then(({ status, reasons }) => [status, reasons]), ['ok', []])
}

const steps = { 'an hour': HOUR_MS, 'a day': DAY_MS, 'a month': 31 * DAY_MS, 'half a year': 180 * DAY_MS }

const stepTests: ContractGroup<ClockApplication>['tests'] = Object.fromEntries(
  Object.entries(steps).flatMap(([name, stepMs]) => [
    [
      `costs one decision per worker when the clock is set forward by ${name}, and nothing falls silent`,
      (app: ClockApplication) => assertOneDecisionEach(app, stepMs),
    ],
    [
      `costs one decision per worker when the clock is set back by ${name}, and nothing falls silent`,
      (app: ClockApplication) => assertOneDecisionEach(app, -stepMs),
    ],
  ]),
)

/** The tests of promise 6 that set the clock. */
export const clockSteps: ContractGroup<ClockApplication> = {
  title: '6. Clock steps and sleep',
  tests: {
    ...stepTests,

    async 'costs one decision per worker when the machine slept for a week'(app) {
      const { workers, decided } = await startAll(app)
      const lastSlots = new Map(workers.map(({ name, calls }) => [name, calls.at(-1)?.scheduledFor.getTime()]))
      app.clock.sleep(7 * DAY_MS)
      const awakeAt = app.clock.now()
      await app.clock.advance(NOTICED_WITHIN_MS)
      for (const { name, schedule } of workers) {
        const [first, ...others] = decided.filter(({ worker }) => worker === name)
        assert.ok(first, `${name}: the sleep was noticed`)
        assert.ok(first.outcome === 'missed' || first.kind === 'catch-up', name)
        const passed = slotsBetween(schedule, name, lastSlots.get(name) as number, first.scheduledFor.getTime() - 1)
        assert.equal(first.missedSlots, Math.min(passed.length, schedule.kind === 'cron' ? 1_000 : passed.length), name)
        const onTime = slotsBetween(schedule, name, awakeAt, app.clock.now()).map((slot) =>
          new Date(slot).toISOString(),
        )
        for (const time of timesOf(others)) assert.ok(onTime.includes(time), `${name}: ${time} is on time`)
      }
    },

    async 'notices each of several short sleeps'(app) {
      app.setTime('2026-06-10T12:00:00Z')
      const worker = app.rareWorker({ schedule: every('10m', { offset: 0 }) })
      const manager = await app.start([worker])
      const decided = app.decisions(manager)
      for (let night = 0; night < 5; night++) {
        app.clock.sleep(29 * MINUTE_MS)
        await app.clock.advance(MINUTE_MS)
      }
      assert.equal(decided.length, 5)
      assert.deepEqual(
        decided.slice(1).map(({ missedSlots }) => missedSlots),
        [2, 2, 2, 2],
      )
    },

    async 'announces that schedules go on from now when the clock was set back'(app) {
      const { manager } = await startAll(app)
      const repaired = app.listen(manager, 'schedules-repaired')
      app.clock.step(-31 * DAY_MS)
      await app.clock.advance(NOTICED_WITHIN_MS)
      assert.equal(repaired.length, 1)
      assert.deepEqual([...(repaired[0]?.workers ?? [])].sort(), Object.keys(schedules).sort())
      assert.ok((repaired[0]?.message.length as number) > 0)
      const { nextDueAt } = await app.status(manager, 'daily')
      assert.ok((nextDueAt as Date).getTime() - app.clock.now() <= DAY_MS)
    },

    async 'decides no slot twice when the clock is set back by less than a period'(app) {
      app.setTime('2026-06-10T12:00:00Z')
      const worker = app.rareWorker({ schedule: every('1h', { offset: 0 }) })
      const manager = await app.start([worker])
      await app.clock.advance(HOUR_MS + 5 * MINUTE_MS)
      app.clock.step(-10 * MINUTE_MS)
      await app.clock.advance(HOUR_MS + 10 * MINUTE_MS)
      assert.deepEqual(timesOf(worker.calls), ['2026-06-10T13:00:00.000Z', '2026-06-10T14:00:00.000Z'])
      assert.equal((await app.records(manager, 'rare')).length, 2)
    },

    async 'decides no slot twice when it is paused, rescheduled or restarted after the clock was set back'(app) {
      app.setTime('2026-06-10T12:00:00Z')
      const worker = app.rareWorker({ schedule: every('1h', { offset: 0 }) })
      const manager = await app.start([worker])
      await app.clock.advance(HOUR_MS + MINUTE_MS)
      app.clock.step(-5 * MINUTE_MS)
      await manager.pause('rare')
      await manager.resume('rare')
      await app.clock.advance(5 * MINUTE_MS)
      app.clock.step(-5 * MINUTE_MS)
      await manager.reschedule('rare', every('30d'))
      await manager.reschedule('rare', undefined)
      await app.clock.advance(5 * MINUTE_MS)
      app.clock.step(-5 * MINUTE_MS)
      await app.stop(manager)
      await manager.start()
      await app.clock.advance(5 * MINUTE_MS)
      assert.deepEqual(timesOf(worker.calls), ['2026-06-10T13:00:00.000Z'])
      await app.clock.advance(HOUR_MS)
      assert.deepEqual(timesOf(worker.calls), ['2026-06-10T13:00:00.000Z', '2026-06-10T14:00:00.000Z'])
    },

    async 'keeps durations, lateness and the order of records true when the clock is set back during a run'(app) {
      const gate = app.gate()
      const worker = app.rareWorker({ doWork: () => gate.passed })
      const manager = await app.start([worker])
      const first = await manager.trigger('rare')
      await app.clock.advance(MINUTE_MS)
      app.clock.step(-DAY_MS)
      gate.open()
      const record = await app.untilFinished(manager, 'rare', first)
      assert.equal(record.durationMs, MINUTE_MS)
      const { runId: second, lateByMs } = await app.run(manager, 'rare')
      assert.equal(lateByMs, 0)
      assert.deepEqual(
        (await app.records(manager, 'rare')).map(({ runId }) => runId),
        [second, first],
      )
    },

    async 'does not cut a timeout short when the clock is set forward'(app) {
      const gate = app.gate()
      const worker = app.rareWorker({ policy: { timeoutMs: HOUR_MS }, doWork: () => gate.passed })
      const manager = await app.start([worker])
      const runId = await manager.trigger('rare')
      app.clock.step(DAY_MS)
      await app.clock.advance(59 * MINUTE_MS)
      gate.open()
      assert.equal((await app.untilFinished(manager, 'rare', runId)).outcome, 'succeeded')
    },
  },
}
