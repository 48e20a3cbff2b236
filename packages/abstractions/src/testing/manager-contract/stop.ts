import assert from 'node:assert/strict'
import { BackgroundWorkerError } from '../../errors.ts'
import type { StopReport } from '../../manager.ts'
import type { ContractGroup } from '../contract-suite.ts'
import { PlainProbe, untilAborted } from './probe-worker.ts'
import { assertRefused } from './shapes.ts'
import type { TestApplication } from './test-application.ts'

const NOTHING: StopReport = { finished: 0, abandoned: [] }

/** The tests of promise 13. */
export const stop: ContractGroup<TestApplication> = {
  title: '13. Stop',
  tests: {
    async 'takes no slot afterwards'(app) {
      const worker = app.frequentWorker()
      const manager = await app.start([worker])
      await app.untilCalled(worker)
      await app.stop(manager)
      const count = worker.calls.length
      assert.equal(manager.state, 'stopped')
      await app.pass(2)
      assert.equal(worker.calls.length, count)
    },

    async 'waits for an active run, and counts it as finished'(app) {
      const gate = app.gate()
      const worker = app.rareWorker({ doWork: ({ signal }) => signal && gate.passed })
      const manager = await app.start([worker])
      const finished = app.listen(manager, 'run-finished')
      await manager.trigger('rare')
      await app.untilCalled(worker)
      const stopped = manager.stop()
      await app.pass(1)
      assert.equal(manager.state, 'stopping')
      assert.equal(worker.calls[0]?.signal.aborted, false)
      gate.open()
      assert.deepEqual(await app.during(stopped), { finished: 1, abandoned: [] })
      assert.deepEqual(
        finished.map(({ outcome }) => outcome),
        ['succeeded'],
      )
    },

    async 'counts a run that heeds its signal at the deadline as finished, and as aborted'(app) {
      const worker = app.rareWorker({ doWork: ({ signal }) => untilAborted(signal) })
      const manager = await app.start([worker], { stopTimeoutMs: app.periodMs / 5 })
      await manager.trigger('rare')
      await app.untilCalled(worker)
      assert.deepEqual(await app.stop(manager), { finished: 1, aborted: 1, abandoned: [] })
      assert.equal(manager.state, 'stopped')
      const [line] = app.logger.linesOf('background workers stopped')
      assert.deepEqual(line?.data, { finished: 1, aborted: 1 })
    },

    async 'says which runs it abandoned'(app) {
      const gate = app.gate()
      const worker = app.rareWorker({ doWork: () => gate.passed })
      const manager = await app.start([worker, app.rareWorker({ name: 'idle' })])
      const finished = app.listen(manager, 'run-finished')
      const runId = await manager.trigger('rare')
      await app.untilCalled(worker)
      const report = await app.stop(manager, { timeoutMs: app.periodMs / 5 })
      assert.deepEqual(report, { finished: 0, abandoned: [{ worker: 'rare', runId }] })
      assert.deepEqual(
        finished.map(({ outcome, reason }) => [outcome, reason]),
        [['aborted', 'stop']],
      )
      gate.open()
      await app.pass(1)
      assert.equal(finished.length, 1)
    },

    async 'ends a run that waits for its retry with its last error'(app) {
      const { manager, worker } = await app.startWithRetry()
      const finished = app.listen(manager, 'run-finished')
      await app.stop(manager)
      const [record] = finished
      assert.deepEqual([record?.outcome, record?.attempts, record?.error?.message], ['failed', 1, 'not yet'])
      assert.equal(worker.calls.length, 1)
    },

    async 'never starts a slot that waited for its jitter'(app) {
      const { manager, worker, runId } = await app.startWaiting()
      await app.stop(manager)
      await app.pass(11)
      assert.ok(worker.calls.every((call) => call.runId !== runId))
    },

    async 'does the same once, however often it is called'(app) {
      const plain = new PlainProbe('plain')
      const manager = await app.start([plain])
      const [first, second] = await app.during(Promise.all([manager.stop(), manager.stop()]))
      assert.deepEqual([first, second, await app.stop(manager)], [NOTHING, NOTHING, NOTHING])
      assert.equal(plain.stops.length, 1)
    },

    async 'does nothing before a start'(app) {
      const plain = new PlainProbe('plain')
      const manager = await app.create()
      await manager.add(plain)
      assert.deepEqual(await app.stop(manager), NOTHING)
      assert.equal(plain.stops.length, 0)
      await manager.start()
      assert.equal(plain.starts.length, 1)
    },

    async 'can be started again, and runs its workers again'(app) {
      const [plain, worker] = [new PlainProbe('plain'), app.frequentWorker()]
      const manager = await app.start([plain, worker])
      await app.untilCalled(worker)
      await app.stop(manager)
      await manager.start()
      assert.equal(manager.state, 'running')
      const count = worker.calls.length
      await app.untilCalled(worker, count + 1)
      assert.deepEqual([plain.starts.length, plain.stops.length], [2, 1])
      assert.equal((await manager.health()).status, 'ok')
    },

    async 'is waited for by a start that is called meanwhile'(app) {
      const gate = app.gate()
      const worker = app.rareWorker({ doWork: () => gate.passed })
      const manager = await app.start([worker])
      await manager.trigger('rare')
      await app.untilCalled(worker)
      const stopped = manager.stop()
      const started = manager.start()
      gate.open()
      assert.deepEqual(await app.during(stopped), { finished: 1, abandoned: [] })
      await app.during(started)
      assert.equal(manager.state, 'running')
      assert.equal((await app.run(manager, 'rare')).outcome, 'succeeded')
    },

    async 'waits for a start that is under way'(app) {
      const [plain, worker] = [new PlainProbe('plain'), app.frequentWorker()]
      const manager = await app.create()
      await manager.add(plain)
      await manager.add(worker)
      const started = manager.start()
      const stopped = manager.stop()
      await app.during(started)
      assert.deepEqual(await app.during(stopped), NOTHING)
      assert.equal(manager.state, 'stopped')
      assert.equal(plain.starts.length, plain.stops.length)
      const count = worker.calls.length
      await app.pass(2)
      assert.equal(worker.calls.length, count)
    },

    async 'does not deadlock when a run waits for it'(app) {
      const reports: StopReport[] = []
      const worker = app.rareWorker({
        doWork: async () => {
          reports.push(await manager.stop())
        },
      })
      const manager = await app.start([worker])
      await manager.trigger('rare')
      const report = await app.until('the stop has ended', () => reports[0])
      assert.deepEqual(report.abandoned, [])
      assert.equal(manager.state, 'stopped')
    },

    async 'does not deadlock when two runs wait for it'(app) {
      const gate = app.gate()
      const reports: StopReport[] = []
      const doWork = async () => {
        await gate.passed
        reports.push(await manager.stop())
      }
      const workers = ['one', 'two'].map((name) => app.rareWorker({ name, doWork }))
      const manager = await app.start(workers)
      for (const worker of workers) {
        await manager.trigger(worker.name)
        await app.untilCalled(worker)
      }
      gate.open()
      await app.until('the stop has ended', () => reports.length === 2)
      assert.deepEqual(reports, [NOTHING, NOTHING])
    },

    async 'leaves a run that waits for it neither lost nor failed'(app) {
      const worker = app.rareWorker({ doWork: () => manager.stop() })
      const manager = await app.start([worker])
      const runId = await manager.trigger('rare')
      await app.until('the stop has ended', () => manager.state === 'stopped')
      await manager.start()
      const { outcome } = await app.untilFinished(manager, 'rare', runId)
      assert.ok(outcome === 'succeeded' || outcome === 'aborted', outcome)
      assert.equal((await app.status(manager, 'rare')).consecutiveFailures, 0)
    },

    async 'stops plain workers concurrently, and once'(app) {
      const gate = app.gate()
      const plain = ['one', 'two'].map((name) => new PlainProbe(name, { stop: () => gate.passed }))
      const manager = await app.start(plain)
      const stopped = manager.stop()
      await app.until('both are stopping', () => plain.every(({ stops }) => stops.length === 1))
      assert.equal(plain[0]?.stops[0]?.aborted, false)
      gate.open()
      assert.deepEqual(await app.during(stopped), NOTHING)
    },

    async 'gives up on a plain worker at the deadline, which aborts the signal of its stop'(app) {
      const gate = app.gate()
      const [hangs, heeds] = [
        new PlainProbe('hangs', { stop: () => gate.passed }),
        new PlainProbe('heeds', { stop: (signal) => untilAborted(signal as AbortSignal) }),
      ]
      const manager = await app.start([hangs, heeds])
      const report = await app.stop(manager, { timeoutMs: app.periodMs / 5 })
      assert.deepEqual(report, { finished: 0, abandoned: [{ worker: 'hangs' }] })
      const signal = hangs.stops[0]
      assert.ok(BackgroundWorkerError.is(signal?.reason))
      assert.equal(signal.reason.code, 'manager-stopped')
    },

    async 'waits for a worker that was removed and has not stopped yet'(app) {
      const gate = app.gate()
      const plain = new PlainProbe('plain', { stop: () => gate.passed })
      const manager = await app.start([plain])
      await manager.remove('plain')
      await app.until('it is stopping', () => plain.stops.length)
      const report = await app.stop(manager, { timeoutMs: app.periodMs / 5 })
      assert.deepEqual(report, { finished: 0, abandoned: [{ worker: 'plain' }] })
      assert.equal(plain.stops[0]?.aborted, true)
    },

    async 'waits once for a worker that was removed, and does not start it again before it has stopped'(app) {
      const gate = app.gate()
      const plain = new PlainProbe('plain', { stop: () => gate.passed })
      const manager = await app.start([plain])
      await manager.remove('plain')
      await app.until('it is stopping', () => plain.stops.length)
      await app.stop(manager, { timeoutMs: 0 })
      await manager.add(plain)
      await manager.start()
      assert.deepEqual(await app.stop(manager), NOTHING)
      await manager.start()
      await app.pass(1)
      assert.deepEqual([plain.starts.length, plain.stops.length], [1, 1])
      gate.open()
      await app.until('it is started again', () => plain.starts.length === 2)
    },

    async 'does not start a worker again beside its stop that an earlier stop gave up on'(app) {
      for (const isAddedAgain of [false, true]) {
        const gate = app.gate()
        const plain = new PlainProbe('plain', { stop: () => gate.passed })
        const manager = await app.start([plain])
        const report = await app.stop(manager, { timeoutMs: 0 })
        assert.deepEqual(report, { finished: 0, abandoned: [{ worker: 'plain' }] })
        if (isAddedAgain) {
          await manager.remove('plain')
          await manager.add(plain)
        }
        await manager.start()
        assert.deepEqual(await app.stop(manager), NOTHING)
        await manager.start()
        await app.pass(1)
        assert.deepEqual([plain.starts.length, plain.stops.length], [1, 1])
        gate.open()
        await app.until('it is started again', () => plain.starts.length === 2)
        await app.stop(manager)
      }
    },

    async 'does not start a worker again beside its run that an earlier stop gave up on'(app) {
      const gate = app.gate()
      let starts = 0
      const worker = app.rareWorker({
        policy: { runOnStart: true },
        doWork: () => gate.passed,
        start: async () => void starts++,
      })
      const manager = await app.start([worker])
      await app.untilCalled(worker)
      const { abandoned } = await app.stop(manager, { timeoutMs: 0 })
      assert.equal(abandoned.length, 1)
      await manager.start()
      await app.pass(1)
      assert.equal(starts, 1)
      await assert.rejects(manager.trigger('rare'), { code: 'worker-busy', activeRunId: abandoned[0]?.runId })
      gate.open()
      await app.until('it is started again', () => starts === 2)
    },

    async 'calls the stop of a worker after its run that an earlier stop gave up on'(app) {
      for (const name of ['removed', 'stopped']) {
        const gate = app.gate()
        const order: string[] = []
        const worker = app.rareWorker({
          name,
          doWork: () => gate.passed.then(() => order.push('end of the run')),
          stop: async () => void order.push('stop'),
        })
        const manager = await app.start([worker])
        await manager.trigger(name)
        await app.untilCalled(worker)
        await app.stop(manager, { timeoutMs: 0 })
        await manager.start()
        const over: Promise<unknown> = name === 'removed' ? manager.remove(name) : manager.stop()
        await app.pass(1)
        gate.open()
        await app.during(over)
        await app.until('it is stopped', () => order.length === 3)
        assert.deepEqual(order, ['stop', 'end of the run', 'stop'])
        await app.stop(manager)
      }
    },

    async 'says that the start failed of a worker whose stop an earlier one gave up on, and starts the others'(app) {
      const gate = app.gate()
      const [hangs, other] = [new PlainProbe('hangs', { stop: () => gate.passed }), new PlainProbe('other')]
      const manager = await app.start([hangs, other], { startTimeoutMs: 5 * app.periodMs })
      await app.stop(manager, { timeoutMs: 0 })
      await manager.start()
      assert.equal(other.starts.length, 2)
      await app.untilStatus(manager, 'hangs', 'is start-failed', ({ state }) => state === 'start-failed')
      assert.equal(hangs.starts.length, 1)
    },

    async 'aborts a run at the deadline that has stopped and started the manager before'(app) {
      const gate = app.gate()
      const worker = app.rareWorker({
        doWork: async () => {
          await manager.stop()
          await manager.start()
          await gate.passed
        },
      })
      const manager = await app.start([worker])
      await manager.trigger('rare')
      await app.untilCalled(worker)
      await app.until('it is started again', () => manager.state === 'running')
      const { abandoned } = await app.stop(manager, { timeoutMs: app.periodMs / 5 })
      assert.deepEqual(
        abandoned.map(({ worker }) => worker),
        ['rare'],
      )
      assert.equal(worker.calls[0]?.signal.aborted, true)
      assert.equal(manager.state, 'stopped')
    },

    async 'logs a plain worker whose stop fails, and stops the others'(app) {
      const error = new Error('will not stop')
      const [broken, thrower, sound] = [
        new PlainProbe('broken', { stop: () => Promise.reject(error) }),
        new PlainProbe('thrower', {
          stop: () => {
            throw error
          },
        }),
        new PlainProbe('sound'),
      ]
      const manager = await app.start([broken, thrower, sound])
      assert.deepEqual(await app.stop(manager), NOTHING)
      assert.equal(sound.stops.length, 1)
      for (const name of ['broken', 'thrower']) {
        assert.deepEqual(
          app.errorLines(name).map(({ data }) => data.err),
          [error],
        )
      }
    },

    async 'aborts the signal of a start that is not done'(app) {
      const gate = app.gate()
      const plain = new PlainProbe('slow', { start: () => gate.passed })
      const manager = await app.start([plain])
      const [signal] = plain.starts
      assert.equal(signal?.aborted, false)
      await app.stop(manager)
      assert.equal(signal.aborted, true)
      assert.ok(BackgroundWorkerError.is(signal.reason))
      assert.equal(signal.reason.code, 'manager-stopped')
      assert.equal(plain.stops.length, 1)
    },

    async 'calls the stop of a periodic worker after its run'(app) {
      const gate = app.gate()
      const order: string[] = []
      const worker = app.rareWorker({
        doWork: async () => {
          await gate.passed
          order.push('run ended')
        },
        stop: async () => {
          order.push('stop called')
        },
      })
      const manager = await app.start([worker])
      await manager.trigger('rare')
      await app.untilCalled(worker)
      const stopped = manager.stop()
      await app.pass(0.2)
      gate.open()
      await app.during(stopped)
      assert.deepEqual(order, ['run ended', 'stop called'])
    },

    async 'refuses a trigger afterwards, and says so in its health'(app) {
      const manager = await app.start([app.rareWorker()])
      assert.equal((await manager.health()).status, 'ok')
      await app.stop(manager)
      await assertRefused(manager.trigger('rare'), 'manager-stopped')
      const { status, reasons } = await manager.health()
      assert.equal(status, 'unhealthy')
      assert.deepEqual(
        reasons.map(({ code }) => code),
        ['not-running'],
      )
    },

    async 'comes at the end of an await using block'(app) {
      const plain = new PlainProbe('plain')
      const manager = await app.start([plain])
      await app.during(Promise.resolve(manager[Symbol.asyncDispose]()))
      assert.equal(manager.state, 'stopped')
      assert.equal(plain.stops.length, 1)
    },

    async 'keeps a worker that is added afterwards until the next start'(app) {
      const manager = await app.start()
      await app.stop(manager)
      const plain = new PlainProbe('plain')
      await manager.add(plain)
      assert.equal(plain.starts.length, 0)
      await manager.start()
      assert.equal(plain.starts.length, 1)
    },
  },
}
