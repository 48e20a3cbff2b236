import assert from 'node:assert/strict'
import { type RunRecord, isSlotRun } from '../../run-record.ts'
import { every } from '../../schedule.ts'
import type { ContractGroup } from '../contract-suite.ts'
import { type TestApplication, rarely } from './test-application.ts'

/** Asserts that no slot has two records. */
function assertOneRecordPerSlot(records: readonly RunRecord[]): void {
  const slots = records.filter(isSlotRun).map(({ scheduledFor }) => scheduledFor.getTime())
  assert.deepEqual([...new Set(slots)], slots)
}

/** The tests of promise 4. */
export const oneRunAtATime: ContractGroup<TestApplication> = {
  title: '4. One run at a time',
  tests: {
    async 'skips a slot that meets an active run, and never starts it late'(app) {
      const gate = app.gate()
      const worker = app.frequentWorker({ doWork: () => gate.passed })
      const manager = await app.start([worker])
      const skips = app.listen(manager, 'run-skipped')
      await app.untilCalled(worker)
      const blockedBy = worker.calls[0]?.runId
      const skipped = await app.untilRecord(manager, 'frequent', { outcome: 'skipped' })
      assert.deepEqual([skipped.reason, skipped.blockedBy], ['overlap', blockedBy])
      assert.equal(worker.calls.length, 1)
      const told = await app.until('it is told', () => skips.find(({ runId }) => runId === skipped.runId))
      assert.deepEqual(told, skipped)
      gate.open()
      await app.untilCalled(worker, 2)
      const started = worker.calls.map(({ scheduledFor }) => scheduledFor.getTime())
      for (const record of await app.records(manager, 'frequent')) {
        if (record.outcome === 'skipped') assert.ok(!started.includes(record.scheduledFor.getTime()))
      }
      assert.equal((await app.untilFinished(manager, 'frequent', blockedBy as string)).outcome, 'succeeded')
    },

    async 'skips a slot that meets a triggered run'(app) {
      const gate = app.gate()
      const worker = app.rareWorker({ doWork: () => gate.passed })
      const manager = await app.start([worker])
      const runId = await manager.trigger('rare')
      await manager.reschedule('rare', every(app.periodMs))
      const skipped = await app.untilRecord(manager, 'rare', { outcome: 'skipped' })
      assert.deepEqual([skipped.reason, skipped.blockedBy], ['overlap', runId])
      assert.equal(worker.calls.length, 1)
    },

    async 'skips a slot that meets a run which waits for its retry'(app) {
      const { manager, worker, runId } = await app.startWithRetry()
      await manager.reschedule('rare', every(app.periodMs))
      const skipped = await app.untilRecord(manager, 'rare', { outcome: 'skipped' })
      assert.deepEqual([skipped.reason, skipped.blockedBy], ['overlap', runId])
      assert.equal(worker.calls.length, 1)
    },

    async 'runs different workers at the same time'(app) {
      const gate = app.gate()
      const workers = ['one', 'two'].map((name) => app.frequentWorker({ name, doWork: () => gate.passed }))
      await app.start(workers)
      for (const worker of workers) await app.untilCalled(worker)
    },

    async 'shows the active run while there is one'(app) {
      const gate = app.gate()
      const worker = app.rareWorker({ doWork: () => gate.passed })
      const manager = await app.start([worker])
      const runId = await manager.trigger('rare', { by: 'ann' })
      await app.untilCalled(worker)
      const { activeRun } = await app.untilStatus(manager, 'rare', 'is running', ({ state }) => state === 'running')
      assert.deepEqual([activeRun?.runId, activeRun?.outcome, activeRun?.by], [runId, undefined, 'ann'])
      assert.ok(activeRun?.startedAt instanceof Date)
      gate.open()
      await app.untilIdle(manager, 'rare')
      assert.equal((await app.status(manager, 'rare')).state, 'idle')
    },
  },
}

/** The tests of promise 5. */
export const oneDecision: ContractGroup<TestApplication> = {
  title: '5. One decision per slot',
  tests: {
    async 'has the record of a run before its doWork starts'(app) {
      const seen: RunRecord[][] = []
      const worker = app.frequentWorker({
        doWork: async () => {
          seen.push(await app.records(manager, 'frequent'))
        },
      })
      const manager = await app.start([worker])
      await app.until('doWork has read the records', () => seen.length)
      const [call] = worker.calls
      const own = seen[0]?.find(({ runId }) => runId === call?.runId)
      assert.ok(own)
      assert.equal(own.outcome, undefined)
      assert.deepEqual(own.startedAt, call?.startedAt)
      assert.deepEqual(own.scheduledFor, call?.scheduledFor)
    },

    async 'has the record of a triggered run before its doWork starts'(app) {
      const seen: RunRecord[][] = []
      const worker = app.rareWorker({
        doWork: async () => {
          seen.push(await app.records(manager, 'rare'))
        },
      })
      const manager = await app.start([worker])
      const runId = await manager.trigger('rare')
      await app.until('doWork has read the records', () => seen.length)
      assert.deepEqual(
        seen[0]?.map((record) => [record.runId, record.kind, record.outcome]),
        [[runId, 'manual', undefined]],
      )
    },

    async 'keeps one record for each slot, from its start to its outcome'(app) {
      const worker = app.frequentWorker()
      const manager = await app.start([worker])
      await app.untilCalled(worker, 2)
      const runId = worker.calls[0]?.runId as string
      const record = await app.untilFinished(manager, 'frequent', runId)
      assert.equal(record.outcome, 'succeeded')
      const records = await app.records(manager, 'frequent')
      assert.equal(records.filter((other) => other.runId === runId).length, 1)
      assertOneRecordPerSlot(records)
    },

    async 'decides no slot twice, whatever is paused, rescheduled, stopped and started'(app) {
      const worker = app.frequentWorker()
      const manager = await app.start([worker])
      await app.untilCalled(worker)
      await manager.pause('frequent')
      await manager.resume('frequent')
      await app.untilCalled(worker, 2)
      await manager.reschedule('frequent', rarely)
      await manager.reschedule('frequent', undefined)
      await app.untilCalled(worker, 3)
      await app.stop(manager)
      await manager.start()
      await app.untilCalled(worker, 4)
      const runIds = worker.calls.map((call) => call.runId)
      assert.deepEqual([...new Set(runIds)], runIds)
      assertOneRecordPerSlot(await app.records(manager, 'frequent'))
    },

    async 'decides no slot twice when the worker is removed and added again'(app) {
      const [first, second] = [app.frequentWorker(), app.frequentWorker()]
      const manager = await app.start([first])
      await app.untilCalled(first)
      await manager.remove('frequent')
      await manager.add(second)
      await app.untilCalled(second)
      const runIds = [...first.calls, ...second.calls].map((call) => call.runId)
      assert.deepEqual([...new Set(runIds)], runIds)
      assertOneRecordPerSlot(await app.records(manager, 'frequent'))
    },
  },
}

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
