import assert from 'node:assert/strict'
import type { RunRecord } from '../../run-record.ts'
import type { ContractGroup } from '../contract-suite.ts'
import { assertOneRecordPerSlot } from './shapes.ts'
import { type TestApplication, rarely } from './test-application.ts'

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
