import assert from 'node:assert/strict'
import { cron, every, nextDueAt } from '../../schedule.ts'
import type { ContractGroup } from '../contract-suite.ts'
import { type ClockApplication, DAY_MS, HOUR_MS, MINUTE_MS, slotsBetween, timesOf } from './clock-application.ts'

const berlin = { timeZone: 'Europe/Berlin' }

/** Runs a cron in Berlin from one time to another and gives the times of its runs. */
async function runCron(app: ClockApplication, expression: string, from: string, to: string): Promise<string[]> {
  app.setTime(from)
  const worker = app.rareWorker({ schedule: cron(expression, berlin) })
  await app.start([worker])
  await app.clock.advance(Date.parse(to) - Date.parse(from))
  for (const call of worker.calls) assert.deepEqual(call.startedAt, call.scheduledFor)
  return timesOf(worker.calls)
}

/** The tests of promise 2 that need months. */
export const clockIntervals: ContractGroup<ClockApplication> = {
  title: '2. Intervals',
  tests: {
    async 'runs every slot of a thousand at its very millisecond, without drift'(app) {
      const worker = app.frequentWorker({ doWork: () => app.clock.settle() })
      const startedAt = app.clock.now()
      await app.start([worker])
      await app.clock.advance(1_000 * app.periodMs)
      const slots = slotsBetween(worker.schedule, 'frequent', startedAt, app.clock.now())
      assert.equal(slots.length, 1_000)
      assert.deepEqual(
        worker.calls.map(({ startedAt: started }) => started.getTime()),
        slots,
      )
      assert.deepEqual(
        worker.calls.map(({ scheduledFor }) => scheduledFor.getTime()),
        slots,
      )
    },

    async 'runs first within one period, whatever the name'(app) {
      const workers = Array.from({ length: 50 }, (_, index) =>
        app.rareWorker({ name: `hourly-${index}`, schedule: every('1h') }),
      )
      await app.start(workers)
      await app.clock.advance(HOUR_MS)
      assert.deepEqual(
        workers.map(({ calls }) => calls.length),
        workers.map(() => 1),
      )
    },

    async 'does not let workers of the same period herd'(app) {
      const workers = Array.from({ length: 60 }, (_, index) =>
        app.rareWorker({ name: `hourly-${index}`, schedule: every('1h') }),
      )
      await app.start(workers)
      await app.clock.advance(HOUR_MS)
      const minutes = workers.map(({ calls }) => calls[0]?.startedAt.getMinutes())
      assert.ok(new Set(minutes).size > 20, `60 workers run in ${new Set(minutes).size} different minutes`)
    },

    async 'runs a daily worker of an application that is deployed twice a day'(app) {
      const schedule = every('1d')
      const startedAt = app.clock.now()
      const workers = []
      for (let deployment = 0; deployment < 10; deployment++) {
        const worker = app.rareWorker({ schedule })
        workers.push(worker)
        const manager = await app.start([worker])
        await app.clock.advance(DAY_MS / 2)
        await app.stop(manager)
      }
      const ran = workers.flatMap(({ calls }) => calls.map(({ scheduledFor }) => scheduledFor.getTime()))
      assert.deepEqual(ran, slotsBetween(schedule, 'rare', startedAt, app.clock.now()))
      assert.equal(ran.length, 5)
    },

    async 'never runs early and never twice when its timers fire early'(app) {
      app.clock.patience = 0.9
      const worker = app.frequentWorker()
      const daily = app.rareWorker({ schedule: every('1h') })
      const startedAt = app.clock.now()
      const manager = await app.start([worker, daily])
      await app.clock.advance(100 * app.periodMs)
      const slots = slotsBetween(worker.schedule, 'frequent', startedAt, app.clock.now())
      assert.deepEqual(
        worker.calls.map(({ startedAt: started }) => started.getTime()),
        slots,
      )
      await manager.remove('frequent')
      await app.clock.advance(HOUR_MS)
      assert.equal(daily.calls.length, 1)
      assert.deepEqual(daily.calls[0]?.startedAt, daily.calls[0]?.scheduledFor)
    },

    async 'waits for periods of 30 and 300 days'(app) {
      const days = [30, 300]
      const workers = days.map((count) => app.rareWorker({ name: `days-${count}`, schedule: every(`${count}d`) }))
      const startedAt = app.clock.now()
      const manager = await app.start(workers)
      const decided = app.decisions(manager)
      await app.clock.advance(301 * DAY_MS)
      for (const worker of workers) {
        assert.deepEqual(
          worker.calls.map(({ startedAt: started }) => started.getTime()),
          slotsBetween(worker.schedule, worker.name, startedAt, app.clock.now()),
        )
      }
      assert.deepEqual(
        decided.map(({ kind }) => kind),
        decided.map(() => 'scheduled'),
      )
    },

    async 'waits for a retry and a timeout beyond 2^31 - 1 ms'(app) {
      const worker = app.rareWorker({
        policy: {
          timeoutMs: 60 * DAY_MS,
          retry: { attempts: 5, backoffMs: 50 * DAY_MS, maxBackoffMs: 50 * DAY_MS },
        },
        doWork: () => Promise.reject(new Error('not yet')),
      })
      const manager = await app.start([worker])
      await manager.trigger('rare')
      await app.clock.advance(49 * DAY_MS)
      assert.equal(worker.calls.length, 1)
      await app.clock.advance(2 * DAY_MS)
      assert.equal(worker.calls.length, 2)
      await app.clock.advance(10 * DAY_MS)
      const [record] = await app.records(manager, 'rare')
      assert.deepEqual([record?.outcome, record?.reason, record?.durationMs], ['failed', 'timeout', 60 * DAY_MS])
    },
  },
}

/** The tests of promise 3 that need months. */
export const clockCrons: ContractGroup<ClockApplication> = {
  title: '3. Cron',
  tests: {
    async 'runs a fixed time in the spring gap once, right after it'(app) {
      const ran = await runCron(app, '30 2 * * *', '2026-03-27T12:00:00Z', '2026-03-31T00:00:00Z')
      assert.deepEqual(ran, ['2026-03-28T01:30:00.000Z', '2026-03-29T01:00:00.000Z', '2026-03-30T00:30:00.000Z'])
    },

    async 'runs a fixed time in the autumn overlap once'(app) {
      const ran = await runCron(app, '30 2 * * *', '2026-10-23T12:00:00Z', '2026-10-26T12:00:00Z')
      assert.deepEqual(ran, ['2026-10-24T00:30:00.000Z', '2026-10-25T00:30:00.000Z', '2026-10-26T01:30:00.000Z'])
    },

    async 'keeps the rhythm of an interval-like pattern in spring'(app) {
      const ran = await runCron(app, '*/20 * * * *', '2026-03-29T00:20:00Z', '2026-03-29T01:40:00Z')
      assert.deepEqual(
        ran,
        ['00:40', '01:00', '01:20', '01:40'].map((time) => `2026-03-29T${time}:00.000Z`),
      )
    },

    async 'keeps the rhythm of an interval-like pattern in autumn'(app) {
      const ran = await runCron(app, '0 * * * *', '2026-10-24T22:30:00Z', '2026-10-25T03:00:00Z')
      assert.deepEqual(
        ran,
        ['23:00', '00:00', '01:00', '02:00', '03:00'].map(
          (time, index) => `2026-10-${index === 0 ? 24 : 25}T${time}:00.000Z`,
        ),
      )
    },

    async 'reads a cron in UTC, whatever the zone of the host'(app) {
      const { TZ } = process.env
      process.env.TZ = 'Asia/Kolkata'
      try {
        app.setTime('2026-06-01T00:00:00Z')
        const worker = app.rareWorker({ schedule: cron('0 3 * * *') })
        await app.start([worker])
        await app.clock.advance(DAY_MS)
        assert.deepEqual(timesOf(worker.calls), ['2026-06-01T03:00:00.000Z'])
      } finally {
        if (TZ === undefined) delete process.env.TZ
        else process.env.TZ = TZ
      }
    },

    async 'runs the last day of the month, the weekday nearest to a date, and the second Friday'(app) {
      app.setTime('2028-02-01T12:00:00Z')
      const expected = {
        '0 0 L * *': ['2028-02-29', '2028-03-31'],
        '0 0 15W * *': ['2028-02-15', '2028-03-15'],
        '0 0 * * FRI#2': ['2028-02-11', '2028-03-10'],
        '0 0 29 2 *': ['2028-02-29'],
        '@monthly': ['2028-03-01', '2028-04-01'],
        '0 0 1,2 MAR *': ['2028-03-01', '2028-03-02'],
      }
      const workers = Object.keys(expected).map((text, index) =>
        app.rareWorker({ name: `c${index}`, schedule: cron(text) }),
      )
      await app.start(workers)
      await app.clock.advance(60 * DAY_MS)
      const ran = workers.map(({ calls }) => timesOf(calls).map((time) => time.slice(0, 10)))
      assert.deepEqual(ran, Object.values(expected))
    },

    async 'runs a cron at its very second, never early, when its timers fire early'(app) {
      app.clock.patience = 0.9
      const worker = app.rareWorker({ schedule: cron('*/7 * * * * *') })
      const startedAt = app.clock.now()
      await app.start([worker])
      await app.clock.advance(10 * MINUTE_MS)
      const ran = worker.calls.map(({ startedAt: started }) => started.getTime())
      assert.deepEqual(ran, slotsBetween(worker.schedule, 'rare', startedAt, app.clock.now()))
      assert.ok(ran.length > 80)
      assert.ok(ran.every((slot) => nextDueAt(worker.schedule, slot - 1) === slot))
    },
  },
}
