import assert from 'node:assert/strict'
import { type Schedule, cron, every, nextDueAt } from '../../schedule.ts'
import type { ContractGroup } from '../contract-suite.ts'
import type { ProbeWorker } from './probe-worker.ts'
import { type TestApplication, rarely } from './test-application.ts'

const DAY_MS = 86_400_000

/** Whether the schedule has a slot at exactly this time. */
function isSlot(schedule: Schedule, time: number, workerName: string): boolean {
  return nextDueAt(schedule, time - 1, workerName) === time
}

/** Waits for some runs and asserts that each is for a slot of its own, in order, and began no earlier than that. */
async function assertSlots(app: TestApplication, worker: ProbeWorker, count: number): Promise<number[]> {
  await app.untilCalled(worker, count)
  const slots = worker.calls.map(({ scheduledFor }) => scheduledFor.getTime())
  for (const [index, { startedAt }] of worker.calls.entries()) {
    const slot = slots[index] as number
    assert.ok(isSlot(worker.schedule, slot, worker.name), `${slot} is a slot of ${JSON.stringify(worker.schedule)}`)
    assert.ok(startedAt.getTime() >= slot, `${startedAt.getTime()} is not before ${slot}`)
    if (index > 0) assert.ok(slot > (slots[index - 1] as number), 'each slot comes once')
  }
  return slots
}

/** The tests of promise 2. */
export const intervals: ContractGroup<TestApplication> = {
  title: '2. Intervals',
  tests: {
    async 'runs a worker at k * period + a hash of its name, never early'(app) {
      const worker = app.frequentWorker()
      await app.start([worker])
      const slots = await assertSlots(app, worker, 3)
      for (const slot of slots) assert.equal((slot - (slots[0] as number)) % app.periodMs, 0, 'a fixed rate')
    },

    async 'runs a worker at k * period + its offset'(app) {
      const offset = Math.floor(app.periodMs / 4)
      const worker = app.frequentWorker({ schedule: every(app.periodMs, { offset }) })
      await app.start([worker])
      for (const slot of await assertSlots(app, worker, 2)) assert.equal(slot % app.periodMs, offset)
    },

    async 'has its first slot within one period'(app) {
      const worker = app.rareWorker({ schedule: every('1d') })
      const manager = await app.start([worker])
      const { nextDueAt: due } = await app.status(manager, 'rare')
      const { scheduledFor: now } = await app.run(manager, 'rare')
      assert.equal(due?.getTime(), nextDueAt(worker.schedule, now.getTime(), 'rare'))
    },

    async 'keeps the slots of a worker over stop and start'(app) {
      const worker = app.frequentWorker()
      const manager = await app.start([worker])
      await app.untilCalled(worker)
      await app.stop(manager)
      await manager.start()
      await assertSlots(app, worker, 2)
    },

    async 'keeps the slots of a worker in a new process'(app) {
      const [before, after] = [app.frequentWorker(), app.frequentWorker()]
      await app.stop(await app.start([before]))
      await app.start([after])
      await assertSlots(app, after, 1)
    },

    async 'says when the next slot is'(app) {
      const worker = app.frequentWorker()
      const manager = await app.start([worker])
      await app.untilCalled(worker)
      const last = worker.calls.at(-1) as (typeof worker.calls)[number]
      const status = await app.untilStatus(manager, 'frequent', 'has a next slot', (told) => told.nextDueAt)
      assert.ok(isSlot(worker.schedule, (status.nextDueAt as Date).getTime(), 'frequent'))
      assert.ok((status.nextDueAt as Date) > last.scheduledFor)
    },

    async 'does not run at once what has a period beyond 2^31 - 1 ms'(app) {
      const periods = [25, 30, 300, 3_650].map((days) => days * DAY_MS)
      const workers = periods.map((periodMs) =>
        app.rareWorker({ name: `rare-${periodMs}`, schedule: every(periodMs, { offset: periodMs - 1 }) }),
      )
      const manager = await app.start(workers)
      await app.pass(2)
      assert.deepEqual(
        workers.map(({ calls }) => calls.length),
        periods.map(() => 0),
      )
      for (const { name, schedule } of workers) {
        const { nextDueAt: due } = await app.status(manager, name)
        assert.ok(due && isSlot(schedule, due.getTime(), name))
      }
    },
  },
}

/** The tests of promise 3. */
export const crons: ContractGroup<TestApplication> = {
  title: '3. Cron',
  tests: {
    async 'runs a cron of six fields at its seconds'(app) {
      const worker = app.rareWorker({ schedule: cron('* * * * * *') })
      await app.start([worker])
      for (const slot of await assertSlots(app, worker, 2)) assert.equal(slot % 1_000, 0)
    },

    async 'reads names, lists, ranges, steps, L W # and nicknames, and knows the next slot of each'(app) {
      const expressions = [
        '*/5 * * * *',
        '0 9-17 * * MON-FRI',
        '15,45 0 1,15 * *',
        '0 0 * JAN,jul SUN',
        '0 0 L * *',
        '0 0 15W * *',
        '0 0 * * 5#2',
        '30 0 0 * * *',
        '@yearly',
        '@annually',
        '@monthly',
        '@weekly',
        '@daily',
        '@midnight',
        '@hourly',
        '@Daily',
      ]
      const workers = expressions.map((text, index) => app.rareWorker({ name: `c${index}`, schedule: cron(text) }))
      const manager = await app.start([app.rareWorker(), ...workers])
      for (const { name, schedule } of workers) {
        const { nextDueAt: due } = await app.status(manager, name)
        assert.ok(due && isSlot(schedule, due.getTime(), name), JSON.stringify(schedule))
      }
      const { scheduledFor: now } = await app.run(manager, 'rare')
      const first = await app.status(manager, 'c14')
      assert.ok((first.nextDueAt as Date).getTime() - now.getTime() <= 3_600_000, '@hourly comes within an hour')
    },

    async 'reads a cron in its time zone, by default UTC'(app) {
      const zones = { berlin: 'Europe/Berlin', kolkata: 'Asia/Kolkata', default: undefined }
      const workers = Object.entries(zones).map(([name, timeZone]) =>
        app.rareWorker({ name, schedule: cron('0 3 * * *', timeZone === undefined ? {} : { timeZone }) }),
      )
      const manager = await app.start(workers)
      for (const [name, timeZone = 'UTC'] of Object.entries(zones)) {
        const { nextDueAt: due } = await app.status(manager, name)
        const local = new Intl.DateTimeFormat('en-GB', { timeZone, hour: '2-digit', minute: '2-digit' }).format(due)
        assert.equal(local, '03:00', name)
      }
    },

    async 'keeps a schedule as it was written'(app) {
      const manager = await app.start([
        app.rareWorker({ schedule: cron('  0  3 * * * ', { timeZone: 'Europe/Berlin' }) }),
      ])
      const { schedule } = await app.status(manager, 'rare')
      const declared = { kind: 'cron', expression: '0 3 * * *', timeZone: 'Europe/Berlin' }
      assert.deepEqual(schedule, { declared })
      assert.deepEqual(JSON.parse(JSON.stringify(schedule)), { declared })
    },
  },
}

/** The tests of promise 9. */
export const overrides: ContractGroup<TestApplication> = {
  title: '9. Declared and overridden',
  tests: {
    async 'shows what the code declares, without an override'(app) {
      const manager = await app.start([app.rareWorker()])
      assert.deepEqual((await app.status(manager, 'rare')).schedule, { declared: rarely })
    },

    async 'runs by the override from now on, and shows it'(app) {
      const worker = app.rareWorker()
      const manager = await app.start([worker])
      const rescheduled = app.listen(manager, 'worker-rescheduled')
      const schedule = every(app.periodMs)
      await manager.reschedule('rare', schedule, { by: 'ann' })
      const status = await app.status(manager, 'rare')
      const override = status.schedule?.override
      assert.deepEqual(status.schedule?.declared, rarely)
      assert.deepEqual([override?.schedule, override?.by], [schedule, 'ann'])
      assert.ok(override?.since instanceof Date)
      assert.deepEqual(rescheduled, [{ worker: 'rare', schedule, by: 'ann' }])
      await app.untilCalled(worker)
      const [call] = worker.calls
      assert.ok(isSlot(schedule, call?.scheduledFor.getTime() as number, 'rare'))
      const [slot, missedSlots] = [call?.scheduledFor.getTime() as number, call?.missedSlots as number]
      assert.ok(slot - missedSlots * app.periodMs > override.since.getTime(), 'a changed schedule starts from now')
    },

    async 'goes back to what is declared when the override is dropped'(app) {
      const worker = app.rareWorker()
      const manager = await app.start([worker])
      const before = await app.status(manager, 'rare')
      await manager.reschedule('rare', every('30d', { offset: 0 }))
      assert.notDeepEqual((await app.status(manager, 'rare')).nextDueAt, before.nextDueAt)
      const rescheduled = app.listen(manager, 'worker-rescheduled')
      await manager.reschedule('rare', undefined, { by: 'ann' })
      const after = await app.status(manager, 'rare')
      assert.deepEqual(after.schedule, { declared: rarely })
      assert.deepEqual(after.nextDueAt, before.nextDueAt)
      assert.deepEqual(rescheduled, [{ worker: 'rare', schedule: rarely, by: 'ann' }])
    },

    async 'replaces an override by the next one'(app) {
      const manager = await app.start([app.rareWorker()])
      await manager.reschedule('rare', every('30d'), { by: 'ann' })
      await manager.reschedule('rare', every('31d'))
      const override = (await app.status(manager, 'rare')).schedule?.override
      assert.deepEqual([override?.schedule, override?.by], [every('31d'), undefined])
    },

    async 'no longer runs at the slots it had before'(app) {
      const worker = app.frequentWorker()
      const manager = await app.start([worker])
      await app.untilCalled(worker)
      await manager.reschedule('frequent', rarely)
      const { schedule } = await app.status(manager, 'frequent')
      await app.pass(2)
      assert.ok(worker.calls.every(({ scheduledFor }) => scheduledFor <= (schedule?.override?.since as Date)))
    },

    async 'keeps the slots when the override is what is declared'(app) {
      const schedule = every('30d')
      const manager = await app.start([app.rareWorker({ schedule })])
      const { nextDueAt: before } = await app.status(manager, 'rare')
      await manager.reschedule('rare', every('30d'))
      const after = await app.status(manager, 'rare')
      assert.deepEqual([after.nextDueAt, after.schedule?.override?.schedule], [before, schedule])
    },

    async 'keeps override, pause and history over stop and start'(app) {
      const manager = await app.start([app.rareWorker(), app.rareWorker({ name: 'other' })])
      const record = await app.run(manager, 'rare')
      await manager.reschedule('rare', every('30d'), { by: 'ann' })
      await manager.pause('other', { note: 'not now', by: 'ann' })
      const { schedule } = await app.status(manager, 'rare')
      const { paused } = await app.status(manager, 'other')
      await app.stop(manager)
      await manager.start()
      assert.deepEqual((await app.status(manager, 'rare')).schedule, schedule)
      assert.deepEqual((await app.status(manager, 'other')).paused, paused)
      assert.deepEqual(await app.records(manager, 'rare'), [record])
    },

    async 'keeps override, pause and history in a new process'(app) {
      const before = await app.start([app.rareWorker(), app.rareWorker({ name: 'other' })])
      const record = await app.run(before, 'rare')
      await before.reschedule('rare', every('30d'), { by: 'ann' })
      await before.pause('other', { note: 'not now', by: 'ann' })
      const { schedule } = await app.status(before, 'rare')
      const { paused } = await app.status(before, 'other')
      await app.stop(before)
      const after = await app.start([app.rareWorker(), app.rareWorker({ name: 'other' })])
      assert.deepEqual((await app.status(after, 'rare')).schedule, schedule)
      assert.deepEqual((await app.status(after, 'other')).paused, paused)
      assert.deepEqual(await app.records(after, 'rare'), [record])
    },

    async 'drops the override when the code declares another schedule, and announces that'(app) {
      const before = await app.start([app.rareWorker()])
      await before.reschedule('rare', every('30d'))
      await app.stop(before)
      const after = await app.create()
      const dropped = app.listen(after, 'override-dropped')
      const declared = every('60d')
      await after.add(app.rareWorker({ schedule: declared }))
      await after.start()
      const status = await app.untilStatus(after, 'rare', 'has no override', ({ schedule }) => !schedule?.override)
      assert.deepEqual(status.schedule, { declared })
      assert.deepEqual(dropped, [{ worker: 'rare', override: every('30d'), declared }])
    },

    async 'takes an override of a paused worker, which stays paused'(app) {
      const worker = app.rareWorker()
      const manager = await app.start([worker])
      await manager.pause('rare')
      await manager.reschedule('rare', every(app.periodMs))
      await app.pass(2)
      assert.equal(worker.calls.length, 0)
      assert.equal((await app.status(manager, 'rare')).state, 'paused')
      await manager.resume('rare')
      await app.untilCalled(worker)
    },
  },
}
