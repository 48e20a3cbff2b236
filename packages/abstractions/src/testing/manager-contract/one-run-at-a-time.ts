import assert from 'node:assert/strict'
import { every } from '../../schedule.ts'
import type { ContractGroup } from '../contract-suite.ts'
import type { TestApplication } from './test-application.ts'

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
      const line = app.logger.linesOf('slot skipped').find(({ data }) => data.runId === skipped.runId)
      assert.deepEqual(line?.data.scheduledFor, skipped.scheduledFor)
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
