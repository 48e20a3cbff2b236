import assert from 'node:assert/strict'
import { type Schedule, cron, every, nextDueAt } from '../../schedule.ts'
import type { ContractGroup } from '../contract-suite.ts'
import type { ProbeWorker } from './probe-worker.ts'
import type { TestApplication } from './test-application.ts'

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
