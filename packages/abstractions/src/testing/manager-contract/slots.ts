import assert from 'node:assert/strict'
import type { RunRecord } from '../../run-record.ts'
import { every } from '../../schedule.ts'
import type { ContractGroup } from '../contract-suite.ts'
import { type TestApplication, rarely } from './test-application.ts'

const isScheduled = ({ kind }: RunRecord) => kind === 'scheduled' || kind === 'catch-up'

/** Asserts that no slot has two records. */
function assertOneRecordPerSlot(records: readonly RunRecord[]): void {
  const slots = records.filter(isScheduled).map(({ scheduledFor }) => scheduledFor.getTime())
  assert.deepEqual([...new Set(slots)], slots)
}

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
      assert.deepEqual(skips[0], skipped)
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
      const worker = app.rareWorker({
        policy: { retry: { attempts: 2, backoffMs: 3_600_000 } },
        doWork: () => Promise.reject(new Error('not yet')),
      })
      const manager = await app.start([worker])
      const retries = app.listen(manager, 'run-retrying')
      const runId = await manager.trigger('rare')
      await app.until('the run waits for its retry', () => retries.length)
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
      const [newest] = seen[0] as RunRecord[]
      assert.equal(newest?.runId, worker.calls[0]?.runId)
      assert.equal(newest?.outcome, undefined)
      assert.deepEqual(newest?.startedAt, worker.calls[0]?.startedAt)
      assert.deepEqual(newest?.scheduledFor, worker.calls[0]?.scheduledFor)
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

export const lateness: ContractGroup<TestApplication> = {
  title: '6. Lateness',
  tests: {
    async 'runs a slot that is on time as scheduled, with nothing missed'(app) {
      const worker = app.frequentWorker()
      const manager = await app.start([worker])
      await app.untilCalled(worker)
      const [call] = worker.calls
      assert.deepEqual([call?.kind, call?.missedSlots], ['scheduled', 0])
      const record = await app.untilFinished(manager, 'frequent', call?.runId as string)
      assert.equal(record.kind, 'scheduled')
      assert.ok((record.lateByMs as number) <= 1_000)
      assert.equal('missedSlots' in record, false)
    },

    async 'owes nothing for paused time, and keeps no records of it'(app) {
      const worker = app.frequentWorker()
      const manager = await app.start([worker])
      await app.untilCalled(worker)
      await manager.pause('frequent')
      await app.untilIdle(manager, 'frequent')
      const before = await app.records(manager, 'frequent')
      const count = worker.calls.length
      await app.pass(2.5)
      assert.deepEqual(await app.records(manager, 'frequent'), before)
      assert.equal(worker.calls.length, count)
      await manager.resume('frequent')
      await app.untilCalled(worker, count + 1)
      const next = worker.calls[count]
      assert.deepEqual([next?.kind, next?.missedSlots], ['scheduled', 0])
    },

    async 'runs a slot missed while down'(app) {
      const policy = { catchUpWindowMs: 3_600_000 }
      const before = app.frequentWorker({ policy })
      const first = await app.start([before])
      await app.untilCalled(before)
      await app.stop(first)
      const ranBefore = before.calls.at(-1)?.scheduledFor as Date
      await app.pass(2.5)
      const after = app.frequentWorker({ policy })
      const second = await app.start([after])
      await app.untilCalled(after)
      const [call] = after.calls
      assert.equal(call?.kind, 'catch-up')
      assert.ok((call?.missedSlots as number) >= 1)
      const gap = ((call?.scheduledFor.getTime() as number) - ranBefore.getTime()) / app.periodMs
      assert.equal(call?.missedSlots, gap - 1, 'every slot since the last one is counted')
      assertOneRecordPerSlot(await app.records(second, 'frequent'))
    },
  },
}
