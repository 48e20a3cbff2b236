import assert from 'node:assert/strict'
import { type RunRecord, isSlotRun } from '../../run-record.ts'
import type { ContractGroup } from '../contract-suite.ts'
import { assertOneRecordPerSlot } from './shapes.ts'
import type { TestApplication } from './test-application.ts'

/** The tests of promise 6. */
export const lateness: ContractGroup<TestApplication> = {
  title: '6. Lateness',
  tests: {
    async 'runs a slot that is on time as scheduled, with nothing missed'(app) {
      const worker = app.frequentWorker()
      const manager = await app.start([worker])
      const call = await app.until('a slot is on time', () => worker.calls.find(({ kind }) => kind === 'scheduled'))
      assert.equal(call.missedSlots, 0)
      const record = await app.untilFinished(manager, 'frequent', call.runId)
      assert.equal(record.kind, 'scheduled')
      assert.ok((record.lateByMs as number) <= 1_000)
      assert.equal('missedSlots' in record, false)
    },

    async 'owes nothing for paused time, and keeps no records of it'(app) {
      const worker = app.frequentWorker()
      const manager = await app.start([worker])
      await app.untilCalled(worker)
      await manager.pause('frequent')
      const { paused } = await app.status(manager, 'frequent')
      const isLater = ({ kind, scheduledFor }: RunRecord | (typeof worker.calls)[number]) =>
        kind !== 'manual' && scheduledFor > (paused?.since as Date)
      await app.pass(2.5)
      assert.deepEqual((await app.records(manager, 'frequent')).filter(isLater), [])
      assert.deepEqual(worker.calls.filter(isLater), [])
      // A run tells what time it is for the manager.
      const { scheduledFor: now } = await app.run(manager, 'frequent')
      await manager.resume('frequent')
      const next = await app.until('it runs again', () => worker.calls.find(isLater))
      assert.ok(next.scheduledFor.getTime() - next.missedSlots * app.periodMs > now.getTime())
    },

    async 'runs a slot missed while down'(app) {
      const policy = { catchUpWindowMs: 3_600_000 }
      const before = app.frequentWorker({ policy })
      const first = await app.start([before])
      await app.untilCalled(before)
      await app.stop(first)
      await app.pass(2.5)
      const after = app.frequentWorker({ policy })
      const second = await app.start([after])
      await app.untilCalled(after)
      const decided = await app.until('the missed slots are counted', async () =>
        (await app.records(second, 'frequent')).find(({ missedSlots }) => missedSlots),
      )
      // A run that had been decided before the stop may come first, and be in the way of this one.
      assert.ok(decided.kind === 'catch-up' || decided.reason === 'overlap')
      await app.until('every slot up to then is told of once', async () => {
        const records = (await app.records(second, 'frequent')).filter(isSlotRun)
        const slots = records.flatMap(({ scheduledFor, missedSlots = 0 }) =>
          Array.from({ length: missedSlots + 1 }, (_, back) => scheduledFor.getTime() - back * app.periodMs),
        )
        const told = slots.filter((slot) => slot <= decided.scheduledFor.getTime()).sort((one, other) => one - other)
        return told.every((slot, index) => slot === (told[0] as number) + index * app.periodMs)
      })
      assertOneRecordPerSlot(await app.records(second, 'frequent'))
    },
  },
}
