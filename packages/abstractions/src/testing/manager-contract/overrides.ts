import assert from 'node:assert/strict'
import { every, nextDueAt } from '../../schedule.ts'
import type { ContractGroup } from '../contract-suite.ts'
import { type TestApplication, rarely } from './test-application.ts'

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
      const [slot, missedSlots] = [call?.scheduledFor.getTime() as number, call?.missedSlots as number]
      assert.equal(nextDueAt(schedule, slot - 1, 'rare'), slot)
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
