import assert from 'node:assert/strict'
import { BackgroundWorkerError } from '../../errors.ts'
import type { IBackgroundWorkerManager } from '../../manager.ts'
import type { ContractGroup } from '../contract-suite.ts'
import { PlainProbe } from './probe-worker.ts'
import { assertRefused } from './shapes.ts'
import type { TestApplication } from './test-application.ts'

/** Waits until a worker counts as failed to start, and asserts that health says so and degrades. */
async function assertStartFailed(app: TestApplication, manager: IBackgroundWorkerManager, name: string) {
  await app.untilStatus(manager, name, 'is start-failed', ({ state }) => state === 'start-failed')
  const { status, reasons } = await manager.health()
  assert.equal(status, 'degraded')
  assert.deepEqual(
    reasons.map(({ code, worker }) => [code, worker]),
    [['start-failed', name]],
  )
  assert.ok(reasons[0]?.message.includes(name))
}

/** The tests of promise 12. */
export const start: ContractGroup<TestApplication> = {
  title: '12. Start',
  tests: {
    async 'resolves when the schedules are armed'(app) {
      const manager = await app.create()
      assert.equal(manager.state, 'idle')
      await manager.add(app.frequentWorker())
      await manager.start()
      assert.equal<string>(manager.state, 'running')
      assert.ok((await app.status(manager, 'frequent')).nextDueAt instanceof Date)
    },

    async 'starts nothing before, and runs no slot'(app) {
      const [plain, worker] = [new PlainProbe('plain'), app.frequentWorker({ policy: { runOnStart: true } })]
      const manager = await app.create()
      await manager.add(plain)
      await manager.add(worker)
      await app.pass(2)
      assert.deepEqual([plain.starts.length, worker.calls.length], [0, 0])
      await assertRefused(manager.trigger('frequent'), 'manager-stopped', 'start()')
    },

    async 'starts each worker once, however often it is called'(app) {
      const plain = new PlainProbe('plain')
      const manager = await app.create()
      await manager.add(plain)
      await Promise.all([manager.start(), manager.start()])
      await manager.start()
      assert.equal(plain.starts.length, 1)
      assert.equal(manager.state, 'running')
    },

    async 'starts plain workers concurrently, and does not wait for them'(app) {
      const gate = app.gate()
      const plain = ['one', 'two', 'three'].map((name) => new PlainProbe(name, { start: () => gate.passed }))
      const worker = app.rareWorker()
      const manager = await app.start([...plain, worker])
      assert.deepEqual(
        plain.map(({ starts }) => starts.length),
        [1, 1, 1],
      )
      assert.equal(plain[0]?.starts[0]?.aborted, false)
      await app.run(manager, 'rare')
    },

    async 'starts a worker that is added to a running manager at once'(app) {
      const manager = await app.start()
      const added = app.listen(manager, 'worker-added')
      const [plain, worker] = [new PlainProbe('plain'), app.frequentWorker()]
      await manager.add(plain)
      await manager.add(worker)
      await app.until('the plain worker is started', () => plain.starts.length === 1)
      await app.untilCalled(worker)
      assert.deepEqual(added, [{ worker: 'plain' }, { worker: 'frequent' }])
    },

    async 'starts a worker once that is added in the moment of the start'(app) {
      const [plain, worker] = [new PlainProbe('plain'), app.rareWorker({ policy: { runOnStart: true } })]
      const manager = await app.create()
      const starting = manager.start()
      await Promise.all([starting, manager.add(plain), manager.add(worker)])
      await app.untilCalled(worker)
      await app.untilIdle(manager, 'rare')
      assert.equal(plain.starts.length, 1)
      assert.deepEqual(
        (await app.records(manager, 'rare')).map(({ kind, outcome }) => [kind, outcome]),
        [['start', 'succeeded']],
      )
    },

    async 'starts a worker once whose listener starts the manager'(app) {
      const [plain, worker] = [new PlainProbe('plain'), app.rareWorker({ policy: { runOnStart: true } })]
      const manager = await app.create({ startTimeoutMs: 5 * app.periodMs })
      const skipped = app.listen(manager, 'run-skipped')
      manager.on('worker-added', () => manager.start())
      await Promise.all([manager.add(plain), manager.add(worker)])
      await app.untilCalled(worker)
      await app.pass(6)
      assert.equal((await app.status(manager, 'plain')).state, 'idle')
      assert.equal((await manager.health()).status, 'ok')
      assert.deepEqual([plain.starts.length, worker.calls.length, skipped], [1, 1, []])
    },

    async 'announces a worker that is added before all that it does'(app) {
      const manager = await app.start()
      const told: string[] = []
      for (const event of ['worker-added', 'run-started'] as const) {
        manager.on(event, ({ worker }) => told.push(`${event} ${worker}`))
      }
      const start = async () => void told.push('its start')
      await manager.add(app.rareWorker({ policy: { runOnStart: true }, start }))
      await app.until('it runs', () => told.includes('run-started rare'))
      assert.deepEqual(told, ['worker-added rare', 'its start', 'run-started rare'])
    },

    async 'reports a worker whose start fails, and leaves the others alone'(app) {
      const error = new Error('no port')
      const fails = {
        'fails-async': () => Promise.reject(error),
        'fails-sync': () => {
          throw error
        },
      }
      for (const [name, fail] of Object.entries(fails)) {
        const [other, worker] = [new PlainProbe('other'), app.rareWorker()]
        const manager = await app.create()
        const failed = app.listen(manager, 'worker-start-failed')
        for (const each of [new PlainProbe(name, { start: fail }), other, worker]) await manager.add(each)
        await manager.start()
        await assertStartFailed(app, manager, name)
        assert.deepEqual(failed, [{ worker: name, error }])
        assert.deepEqual(
          app.errorLines(name).map(({ level, data }) => [level, data.err]),
          [['error', error]],
        )
        assert.equal(other.starts.length, 1)
        assert.equal((await app.status(manager, 'other')).state, 'idle')
        assert.equal((await app.run(manager, 'rare')).outcome, 'succeeded')
        await app.stop(manager)
      }
    },

    async 'reports a worker whose start is silent for too long, and takes it up when it comes after all'(app) {
      const gate = app.gate()
      const manager = await app.create({ startTimeoutMs: 5 * app.periodMs })
      const failed = app.listen(manager, 'worker-start-failed')
      const recovered = app.listen(manager, 'worker-recovered')
      await manager.add(new PlainProbe('silent', { start: () => gate.passed }))
      await manager.start()
      await assertStartFailed(app, manager, 'silent')
      assert.equal(failed.length, 1)
      const [{ worker, error } = {}] = failed
      assert.ok(BackgroundWorkerError.is(error))
      assert.deepEqual([worker, error.code], ['silent', 'start-timeout'])
      assert.equal(app.errorLines('silent').length, 1)
      gate.open()
      await app.untilStatus(manager, 'silent', 'is idle', ({ state }) => state === 'idle')
      assert.deepEqual(recovered, [{ worker: 'silent' }])
      assert.equal((await manager.health()).status, 'ok')
    },

    async 'ends the start of a worker that is removed while the run of its predecessor goes on'(app) {
      const [running, starting] = [app.gate(), app.gate()]
      const predecessor = app.rareWorker({ doWork: () => running.passed })
      const manager = await app.start([predecessor], { startTimeoutMs: 5 * app.periodMs })
      const failed = app.listen(manager, 'worker-start-failed')
      await manager.trigger('rare')
      await app.untilCalled(predecessor)
      await manager.remove('rare')
      const plain = new PlainProbe('rare', { start: () => starting.passed })
      await manager.add(plain)
      await manager.remove('rare')
      assert.deepEqual([plain.starts.map((signal) => signal?.aborted), plain.stops.length], [[true], 1])
      await app.pass(6)
      assert.deepEqual(failed, [])
      const { reasons } = await manager.health()
      assert.ok(reasons.every(({ code }) => code !== 'start-failed'))
      assert.equal(predecessor.calls[0]?.signal.aborted, false)
    },

    async 'starts a worker after its stop that is added again by who is told that its health reason has gone'(app) {
      const order: string[] = []
      const plain = new PlainProbe('plain', {
        start: () => (order.push('start') === 1 ? Promise.reject(new Error('no port')) : undefined),
        stop: () => void order.push('stop'),
      })
      const manager = await app.start([plain])
      await assertStartFailed(app, manager, 'plain')
      manager.on('worker-removed', () => void order.push('removed'))
      manager.on('worker-added', () => void order.push('added'))
      manager.on('health-reason-cleared', () => manager.add(plain))
      await manager.remove('plain')
      await app.until('it is started again', () => order.length === 5)
      assert.deepEqual(order, ['start', 'stop', 'removed', 'added', 'start'])
    },

    async 'gives a periodic worker its first run after its own start'(app) {
      const gate = app.gate()
      const worker = app.frequentWorker({ start: () => gate.passed })
      const manager = await app.start([worker])
      await assertRefused(manager.trigger('frequent'), 'worker-not-ready', '"frequent"')
      await app.pass(2)
      assert.equal(worker.calls.length, 0)
      gate.open()
      await app.untilCalled(worker)
    },

    async 'runs a worker at the start when its own start has resolved'(app) {
      const gate = app.gate()
      const worker = app.rareWorker({ policy: { runOnStart: true }, start: () => gate.passed })
      await app.start([worker])
      await app.pass(1)
      assert.equal(worker.calls.length, 0)
      gate.open()
      await app.untilCalled(worker)
      assert.equal(worker.calls[0]?.kind, 'start')
    },

    async 'does not run a periodic worker whose own start has failed'(app) {
      const worker = app.frequentWorker({ start: () => Promise.reject(new Error('no port')) })
      const manager = await app.start([worker])
      await assertStartFailed(app, manager, 'frequent')
      await assertRefused(manager.trigger('frequent'), 'worker-not-ready', '"frequent"')
      await app.pass(2)
      assert.equal(worker.calls.length, 0)
    },

    async 'starts and runs nothing when it is disabled, and still checks what is added'(app) {
      const [plain, worker] = [new PlainProbe('plain'), app.frequentWorker({ policy: { runOnStart: true } })]
      const manager = await app.create({ isEnabled: false })
      await manager.add(plain)
      await manager.add(worker)
      await assertRefused(manager.add(app.rareWorker({ name: 'Not A Slug' })), 'invalid-worker')
      await assertRefused(manager.add(app.frequentWorker()), 'duplicate-worker')
      await manager.start()
      await manager.add(app.rareWorker())
      await app.pass(2)
      assert.deepEqual([plain.starts.length, worker.calls.length], [0, 0])
      await app.stop(manager)
      assert.equal(plain.stops.length, 0)
    },

    async 'gives its workers a logger that names them'(app) {
      class Chatty extends PlainProbe {
        override start(): Promise<void> {
          this.logger.info({ port: 80 }, 'listening')
          return super.start()
        }
      }
      await app.start([new Chatty('chatty')])
      const [line] = await app.until('it has logged', () => app.logger.linesOf('listening').slice(0, 1))
      assert.deepEqual(line?.data, { worker: 'chatty', port: 80 })
    },
  },
}
