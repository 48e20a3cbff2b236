import assert from 'node:assert/strict'
import type { ContractGroup } from '../contract-suite.ts'
import { assertRefused } from './shapes.ts'
import type { TestApplication } from './test-application.ts'

/** The tests of promise 14. */
export const pause: ContractGroup<TestApplication> = {
  title: '14. Pause',
  tests: {
    async 'takes no slot until it is resumed'(app) {
      const worker = app.frequentWorker()
      const manager = await app.start([worker])
      await manager.pause('frequent')
      const { paused } = await app.status(manager, 'frequent')
      const laterCalls = () => worker.calls.filter(({ scheduledFor }) => scheduledFor > (paused?.since as Date))
      await app.pass(2)
      assert.deepEqual(laterCalls(), [])
      await manager.resume('frequent')
      await app.until('it runs again', () => laterCalls().length)
    },

    async 'shows who paused it, since when and why, and announces both'(app) {
      const manager = await app.start([app.rareWorker()])
      const events = { paused: app.listen(manager, 'worker-paused'), resumed: app.listen(manager, 'worker-resumed') }
      await manager.pause('rare', { note: 'the database moves', by: 'ann' })
      const status = await app.status(manager, 'rare')
      assert.deepEqual([status.state, status.nextDueAt], ['paused', undefined])
      assert.deepEqual([status.paused?.note, status.paused?.by], ['the database moves', 'ann'])
      assert.ok(status.paused?.since instanceof Date)
      await manager.resume('rare', { by: 'bob' })
      const resumed = await app.status(manager, 'rare')
      assert.deepEqual([resumed.state, resumed.paused], ['idle', undefined])
      assert.ok(resumed.nextDueAt instanceof Date)
      assert.deepEqual(events.paused, [{ worker: 'rare', note: 'the database moves', by: 'ann' }])
      assert.deepEqual(events.resumed, [{ worker: 'rare', by: 'bob' }])
    },

    async 'replaces note and by when it is paused again'(app) {
      const manager = await app.start([app.rareWorker()])
      await manager.pause('rare', { note: 'the database moves', by: 'ann' })
      await manager.pause('rare', { by: 'bob' })
      const { paused } = await app.status(manager, 'rare')
      assert.deepEqual([paused?.note, paused?.by], [undefined, 'bob'])
    },

    async 'does nothing when it resumes a worker that is not paused'(app) {
      const manager = await app.start([app.rareWorker()])
      const resumed = app.listen(manager, 'worker-resumed')
      const { nextDueAt } = await app.status(manager, 'rare')
      await manager.resume('rare')
      assert.deepEqual(resumed, [])
      assert.deepEqual((await app.status(manager, 'rare')).nextDueAt, nextDueAt)
    },

    async 'still runs what is triggered'(app) {
      const worker = app.frequentWorker()
      const manager = await app.start([worker])
      await manager.pause('frequent')
      const record = await app.run(manager, 'frequent')
      assert.deepEqual([record.kind, record.outcome], ['manual', 'succeeded'])
      await app.untilIdle(manager, 'frequent')
      assert.equal((await app.status(manager, 'frequent')).state, 'paused')
    },

    async 'lets the active attempt go on'(app) {
      const gate = app.gate()
      const worker = app.rareWorker({ doWork: ({ signal }) => signal && gate.passed })
      const manager = await app.start([worker])
      const runId = await manager.trigger('rare')
      await app.untilCalled(worker)
      await manager.pause('rare')
      await app.pass(0.5)
      assert.equal(worker.calls[0]?.signal.aborted, false)
      assert.equal((await app.status(manager, 'rare')).state, 'running')
      gate.open()
      assert.equal((await app.untilFinished(manager, 'rare', runId)).outcome, 'succeeded')
    },

    async 'fails a run that waits for its retry with its last error'(app) {
      const { manager, runId } = await app.startWithRetry()
      await manager.pause('rare')
      const record = await app.untilFinished(manager, 'rare', runId)
      assert.deepEqual(
        [record.outcome, record.reason, record.attempts, record.error?.message],
        ['failed', undefined, 1, 'not yet'],
      )
      await app.untilIdle(manager, 'rare')
      assert.equal(app.errorLines('rare').filter(({ level }) => level === 'error').length, 1)
    },

    async 'does not repeat an attempt that fails while paused'(app) {
      const gate = app.gate()
      const worker = app.rareWorker({
        policy: { retry: { attempts: 3, backoffMs: 1 } },
        doWork: async () => {
          await gate.passed
          throw new Error('broken')
        },
      })
      const manager = await app.start([worker])
      const runId = await manager.trigger('rare')
      await app.untilCalled(worker)
      await manager.pause('rare')
      gate.open()
      const record = await app.untilFinished(manager, 'rare', runId)
      assert.deepEqual([record.outcome, record.attempts, record.error?.message], ['failed', 1, 'broken'])
    },

    async 'keeps nothing of an option that is undefined'(app) {
      const manager = await app.start([app.rareWorker()])
      const pauses = app.listen(manager, 'worker-paused')
      await manager.pause('rare', { note: undefined, by: undefined })
      assert.deepEqual(pauses, [{ worker: 'rare' }])
      assert.deepEqual(Object.keys((await app.status(manager, 'rare')).paused ?? {}), ['since'])
    },

    async 'records a slot that waits for its jitter as skipped, and never starts it'(app) {
      const { manager, worker, runId } = await app.startWaiting()
      const skips = app.listen(manager, 'run-skipped')
      await manager.pause('rare')
      const record = await app.untilFinished(manager, 'rare', runId)
      assert.deepEqual([record.outcome, record.reason], ['skipped', 'paused'])
      await app.until('it is told', () => skips.length)
      assert.deepEqual(skips, [record])
      await app.pass(11)
      assert.ok(worker.calls.every((call) => call.runId !== runId))
    },

    async 'counts a slot that waits for its jitter as an active run'(app) {
      const { manager, worker, runId } = await app.startWaiting()
      await assertRefused(manager.trigger('rare'), 'worker-busy', runId)
      await app.untilFinished(manager, 'rare', runId)
      assert.ok(worker.calls.some((call) => call.runId === runId))
    },

    async 'counts a run that waits for its retry as an active run'(app) {
      const { manager, runId } = await app.startWithRetry()
      await assertRefused(manager.trigger('rare'), 'worker-busy', runId)
      const { state, activeRun } = await app.status(manager, 'rare')
      assert.deepEqual([state, activeRun?.runId, activeRun?.outcome], ['running', runId, undefined])
    },
  },
}
