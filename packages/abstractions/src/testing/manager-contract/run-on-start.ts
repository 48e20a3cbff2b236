import assert from 'node:assert/strict'
import type { ContractGroup } from '../contract-suite.ts'
import type { TestApplication } from './test-application.ts'

const policy = { runOnStart: true }

/** The tests of promise 8. */
export const runOnStart: ContractGroup<TestApplication> = {
  title: '8. runOnStart',
  tests: {
    async 'runs once at the start, apart from the schedule'(app) {
      const worker = app.rareWorker({ policy })
      const manager = await app.start([worker])
      await app.untilCalled(worker)
      const [call] = worker.calls
      assert.deepEqual([call?.kind, call?.missedSlots, call?.attempt], ['start', 0, 1])
      assert.ok(call?.runId.startsWith('rare.start-'))
      const record = await app.untilFinished(manager, 'rare', call?.runId as string)
      assert.deepEqual([record.kind, record.outcome], ['start', 'succeeded'])
      await app.pass(1)
      assert.equal(worker.calls.length, 1)
    },

    async 'goes on with the schedule after that'(app) {
      const worker = app.frequentWorker({ policy })
      await app.start([worker])
      await app.until('a slot has run', () => worker.calls.some(({ kind }) => kind !== 'start'))
    },

    async 'does not run at the start without it'(app) {
      const worker = app.rareWorker()
      await app.start([worker])
      await app.pass(1)
      assert.equal(worker.calls.length, 0)
    },

    async 'runs a worker that is added to a running manager too'(app) {
      const manager = await app.start()
      const worker = app.rareWorker({ policy })
      await manager.add(worker)
      await app.untilCalled(worker)
      assert.equal(worker.calls[0]?.kind, 'start')
    },

    async 'does not run a paused worker at the start'(app) {
      const worker = app.rareWorker({ policy })
      const manager = await app.start([worker])
      await app.untilCalled(worker)
      await app.untilIdle(manager, 'rare')
      await manager.pause('rare')
      await app.stop(manager)
      await manager.start()
      await app.pass(1)
      assert.equal(worker.calls.length, 1)
    },

    async 'skips the run at the start while another run is active'(app) {
      const gate = app.gate()
      const manager = await app.start([app.rareWorker({ doWork: () => gate.passed })])
      const blockedBy = await manager.trigger('rare')
      await app.untilStatus(manager, 'rare', 'has a run that has started', ({ activeRun }) => activeRun?.startedAt)
      await manager.remove('rare')
      const worker = app.rareWorker({ policy })
      await manager.add(worker)
      const record = await app.untilRecord(manager, 'rare', { kind: 'start', outcome: 'skipped' })
      assert.deepEqual([record.reason, record.blockedBy], ['overlap', blockedBy])
      gate.open()
      await app.untilIdle(manager, 'rare')
      assert.equal(worker.calls.length, 0)
    },

    async 'runs a worker at the start, once it has started, that was starting while another run was active'(app) {
      const [running, starting] = [app.gate(), app.gate()]
      const manager = await app.start([app.rareWorker({ doWork: () => running.passed })])
      await manager.trigger('rare')
      await app.untilStatus(manager, 'rare', 'has a run that has started', ({ activeRun }) => activeRun?.startedAt)
      await manager.remove('rare')
      const worker = app.rareWorker({ policy, start: () => starting.passed })
      await manager.add(worker)
      running.open()
      await app.untilIdle(manager, 'rare')
      starting.open()
      await app.untilCalled(worker)
      const records = await app.records(manager, 'rare')
      assert.deepEqual(
        records.map(({ kind }) => kind),
        ['start', 'manual'],
      )
    },
  },
}
