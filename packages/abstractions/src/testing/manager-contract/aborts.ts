import assert from 'node:assert/strict'
import { BackgroundWorkerError, type BackgroundWorkerErrorCode, WorkerBusyError } from '../../errors.ts'
import type { IBackgroundWorkerManager } from '../../manager.ts'
import type { RunRecord } from '../../run-record.ts'
import type { ContractGroup } from '../contract-suite.ts'
import { type ProbeWorker, untilAborted } from './probe-worker.ts'
import type { TestApplication } from './test-application.ts'

/** Asserts that the run's signal is aborted for this reason. */
function assertAborted(worker: ProbeWorker, code: BackgroundWorkerErrorCode): void {
  const signal = worker.calls[0]?.signal
  assert.equal(signal?.aborted, true)
  assert.ok(BackgroundWorkerError.is(signal.reason), 'the reason of the signal is an error of this library')
  assert.equal(signal.reason.code, code)
}

/** Asserts that a run which has its outcome stays active, and that `trigger` says so. */
async function assertStillActive(app: TestApplication, manager: IBackgroundWorkerManager, runId: string) {
  const status = await app.status(manager, 'rare')
  assert.deepEqual([status.state, status.activeRun?.runId], ['running', runId])
  await assert.rejects(manager.trigger('rare'), (error) => {
    assert.ok(error instanceof WorkerBusyError)
    assert.deepEqual([error.code, error.worker, error.activeRunId], ['worker-busy', 'rare', runId])
    return true
  })
}

/** Asserts that a run is over, that its record is as it was fixed, and that the worker runs again. */
async function assertOverWith(app: TestApplication, manager: IBackgroundWorkerManager, fixed: RunRecord) {
  await app.untilIdle(manager, 'rare')
  assert.deepEqual(await app.records(manager, 'rare'), [fixed])
  assert.deepEqual((await app.status(manager, 'rare')).lastRun, fixed)
  await app.trigger(manager, 'rare')
}

/** The tests of promise 7. */
export const aborts: ContractGroup<TestApplication> = {
  title: '7. Timeout, cancel, stop',
  tests: {
    async 'leaves the signal alone when nothing happens'(app) {
      const worker = app.rareWorker({ policy: { timeoutMs: 60_000 } })
      const manager = await app.start([worker])
      await app.run(manager, 'rare')
      await app.untilIdle(manager, 'rare')
      assert.equal(worker.calls[0]?.signal.aborted, false)
    },

    async 'fails a run that takes too long, and keeps it active until doWork returns'(app) {
      const gate = app.gate()
      const timeoutMs = app.periodMs / 5
      const worker = app.rareWorker({ policy: { timeoutMs }, doWork: ({ signal }) => signal && gate.passed })
      const manager = await app.start([worker])
      const finished = app.listen(manager, 'run-finished')
      const runId = await manager.trigger('rare')
      const record = await app.untilFinished(manager, 'rare', runId)
      assert.deepEqual([record.outcome, record.reason], ['failed', 'timeout'])
      assert.deepEqual([record.error?.code, record.error?.name], ['run-timeout', 'RunTimeoutError'])
      assert.ok((record.durationMs as number) >= timeoutMs)
      assertAborted(worker, 'run-timeout')
      await assertStillActive(app, manager, runId)
      gate.open()
      await app.untilIdle(manager, 'rare')
      assert.equal((await app.status(manager, 'rare')).consecutiveFailures, 1)
      await assertOverWith(app, manager, record)
      assert.deepEqual(finished[0], record)
    },

    async 'aborts a cancelled run, and keeps it active until doWork returns'(app) {
      const gate = app.gate()
      const worker = app.rareWorker({ doWork: ({ signal }) => signal && gate.passed })
      const manager = await app.start([worker])
      const finished = app.listen(manager, 'run-finished')
      const runId = await manager.trigger('rare', { by: 'ann' })
      await app.untilCalled(worker)
      assert.equal(await manager.cancel(runId, { by: 'bob' }), true)
      const record = await app.untilFinished(manager, 'rare', runId)
      assert.deepEqual([record.outcome, record.reason, record.by], ['aborted', 'cancelled', 'bob'])
      await app.until('the signal is aborted', () => worker.calls[0]?.signal.aborted)
      assertAborted(worker, 'run-cancelled')
      await assertStillActive(app, manager, runId)
      gate.open()
      await assertOverWith(app, manager, record)
      assert.deepEqual(finished[0], record)
    },

    async 'keeps the outcome of a cancelled run whose doWork fails later'(app) {
      const gate = app.gate()
      const worker = app.rareWorker({
        policy: { retry: { attempts: 3, backoffMs: 1 } },
        doWork: async () => {
          await gate.passed
          throw new Error('too late to matter')
        },
      })
      const manager = await app.start([worker])
      const runId = await manager.trigger('rare')
      await app.untilCalled(worker)
      await manager.cancel(runId)
      const record = await app.untilFinished(manager, 'rare', runId)
      gate.open()
      await app.untilIdle(manager, 'rare')
      const status = await app.status(manager, 'rare')
      await assertOverWith(app, manager, record)
      assert.deepEqual([record.outcome, status.consecutiveFailures, status.lastFailure], ['aborted', 0, undefined])
      assert.equal(worker.calls[0]?.attempt, 1)
    },

    async 'counts a run that heeds its signal and throws as aborted'(app) {
      const worker = app.rareWorker({ doWork: ({ signal }) => untilAborted(signal) })
      const manager = await app.start([worker])
      const runId = await manager.trigger('rare')
      await app.untilCalled(worker)
      await manager.cancel(runId)
      const record = await app.untilFinished(manager, 'rare', runId)
      assert.deepEqual([record.outcome, record.reason, record.by], ['aborted', 'cancelled', undefined])
      await assertOverWith(app, manager, record)
    },

    async 'leaves the count of failures as it is after an abort'(app) {
      let isBroken = true
      const worker = app.rareWorker({
        doWork: ({ signal }) => {
          if (isBroken) throw new Error('broken')
          return untilAborted(signal)
        },
      })
      const manager = await app.start([worker])
      await app.run(manager, 'rare')
      isBroken = false
      const runId = await app.trigger(manager, 'rare')
      await app.untilCalled(worker, 2)
      await manager.cancel(runId)
      await app.untilFinished(manager, 'rare', runId)
      const status = await app.status(manager, 'rare')
      assert.deepEqual([status.consecutiveFailures, status.recentOutcomes], [1, ['failed', 'aborted']])
    },

    async 'ends a cancelled run that waits for its retry at once'(app) {
      const { manager, runId } = await app.startWithRetry()
      assert.equal(await manager.cancel(runId), true)
      const record = await app.untilFinished(manager, 'rare', runId)
      assert.deepEqual([record.outcome, record.reason, record.attempts], ['aborted', 'cancelled', 1])
      await assertOverWith(app, manager, record)
    },

    async 'ends a cancelled slot that waits for its jitter, and never starts it'(app) {
      const { manager, worker, runId } = await app.startWaiting()
      assert.equal(await manager.cancel(runId, { by: 'ann' }), true)
      const record = await app.untilFinished(manager, 'rare', runId)
      assert.deepEqual([record.outcome, record.reason, record.by], ['aborted', 'cancelled', 'ann'])
      assert.deepEqual([record.attempts, record.startedAt], [0, undefined])
      const { lastRun, recentOutcomes } = await app.status(manager, 'rare')
      assert.deepEqual([lastRun, recentOutcomes.at(-1)], [record, 'aborted'])
      await app.run(manager, 'rare')
      await app.pass(11)
      assert.ok(worker.calls.every((call) => call.runId !== runId))
    },

    async 'gives false when there is no such run to cancel'(app) {
      const worker = app.rareWorker()
      const manager = await app.start([worker])
      assert.equal(await manager.cancel('rare.1'), false)
      assert.equal(await manager.cancel('rare'), false)
      assert.equal(await manager.cancel('no such run'), false)
      const { runId } = await app.run(manager, 'rare')
      await app.untilIdle(manager, 'rare')
      assert.equal(await manager.cancel(runId), false)
      assert.deepEqual((await app.records(manager, 'rare'))[0]?.outcome, 'succeeded')
    },

    async 'counts the waits for retries into the timeout'(app) {
      const worker = app.rareWorker({
        policy: { timeoutMs: app.periodMs, retry: { attempts: 2, backoffMs: 3_600_000 } },
        doWork: () => Promise.reject(new Error('not yet')),
      })
      const manager = await app.start([worker])
      const record = await app.run(manager, 'rare')
      assert.deepEqual([record.outcome, record.reason, record.attempts], ['failed', 'timeout', 1])
      await assertOverWith(app, manager, record)
    },

    async 'skips the slots that meet a run which was aborted and has not returned'(app) {
      const gate = app.gate()
      const worker = app.frequentWorker({ policy: { timeoutMs: app.periodMs / 5 }, doWork: () => gate.passed })
      const manager = await app.start([worker])
      const timedOut = await app.untilRecord(manager, 'frequent', { reason: 'timeout' })
      const skipped = await app.untilRecord(manager, 'frequent', { outcome: 'skipped' })
      assert.deepEqual([skipped.reason, skipped.blockedBy], ['overlap', timedOut.runId])
      assert.equal(worker.calls.length, 1)
      gate.open()
      await app.untilCalled(worker, 2)
    },

    async 'aborts what still runs at the stop deadline'(app) {
      const worker = app.rareWorker({ doWork: ({ signal }) => untilAborted(signal) })
      const manager = await app.start([worker])
      const finished = app.listen(manager, 'run-finished')
      const runId = await manager.trigger('rare')
      await app.untilCalled(worker)
      const timeoutMs = app.periodMs / 5
      await app.stop(manager, { timeoutMs })
      assertAborted(worker, 'manager-stopped')
      const message = `Run "${runId}" did not end within the stop deadline of ${timeoutMs} ms.`
      assert.deepEqual(
        finished.map((record) => [record.runId, record.outcome, record.reason, record.error?.message]),
        [[runId, 'aborted', 'stop', message]],
      )
    },
  },
}
