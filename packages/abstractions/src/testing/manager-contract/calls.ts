import assert from 'node:assert/strict'
import type { IBackgroundWorkerManager } from '../../manager.ts'
import type { PeriodicBackgroundWorkerContext } from '../../periodic-worker.ts'
import { every } from '../../schedule.ts'
import type { ContractGroup } from '../contract-suite.ts'
import { PlainProbe, ProbeWorker } from './probe-worker.ts'
import { assertOneRecordPerSlot, assertRefused } from './shapes.ts'
import { type TestApplication, rarely } from './test-application.ts'

type Call = (manager: IBackgroundWorkerManager, name: string) => Promise<unknown>

const callsAboutSchedules: Readonly<Record<string, Call>> = {
  trigger: (manager, name) => manager.trigger(name),
  pause: (manager, name) => manager.pause(name),
  resume: (manager, name) => manager.resume(name),
  reschedule: (manager, name) => manager.reschedule(name, rarely),
}

/** Asserts that slots and triggers meet the active run of `frequent`, which is removed and added again meanwhile. */
async function assertInTheWay(app: TestApplication, old: ProbeWorker, renewed: ProbeWorker): Promise<void> {
  const manager = await app.start([old])
  await app.untilCalled(old)
  const runId = old.calls[0]?.runId as string
  await manager.remove('frequent')
  await manager.add(renewed)
  const skipped = app.listen(manager, 'run-skipped')
  await assertRefused(manager.trigger('frequent'), 'worker-busy', runId)
  await app.until('two slots are skipped', () => skipped.length >= 2)
  for (const { reason, blockedBy } of skipped) assert.deepEqual([reason, blockedBy], ['overlap', runId])
  assertOneRecordPerSlot(await app.records(manager, 'frequent'))
}

/** The tests of what the calls of a manager promise besides. */
export const calls: ContractGroup<TestApplication> = {
  title: 'The calls of a manager',
  tests: {
    async 'refuse a worker that is not known'(app) {
      const manager = await app.start([app.rareWorker()])
      const all = { ...callsAboutSchedules, runs: (_: IBackgroundWorkerManager, name: string) => manager.runs(name) }
      for (const call of Object.values(all)) {
        await assertRefused(call(manager, 'nobody'), 'unknown-worker', '"nobody"')
        await assertRefused(call(manager, 'constructor'), 'unknown-worker', '"constructor"')
      }
      assert.equal(await manager.get('nobody'), undefined)
      assert.equal(await manager.remove('nobody'), false)
    },

    async 'refuse a worker without a schedule where they are about one'(app) {
      const manager = await app.start([new PlainProbe('plain')])
      for (const [name, call] of Object.entries(callsAboutSchedules)) {
        await assertRefused(call(manager, 'plain'), 'not-periodic', '"plain"', name)
      }
    },

    async 'list all workers in the order in which they were added'(app) {
      const names = ['zebra', 'ant', 'mole']
      const manager = await app.start(names.map((name) => app.rareWorker({ name })))
      await manager.add(new PlainProbe('bee'))
      const statuses = await manager.list()
      assert.deepEqual(
        statuses.map(({ name }) => name),
        [...names, 'bee'],
      )
      assert.deepEqual(statuses[1], await app.status(manager, 'ant'))
    },

    async 'take an instance of a class with getters and inherited values as their options'(app) {
      class Signed {
        get by() {
          return 'ann'
        }
      }
      class Noted extends Signed {
        get note() {
          return 'the database moves'
        }
      }
      const [signed, noted] = [new Signed(), new Noted()]
      const manager = await app.start([app.rareWorker()])
      const events = (['worker-paused', 'worker-resumed', 'worker-rescheduled', 'worker-removed'] as const).map(
        (name) => app.listen(manager, name),
      )
      await manager.pause('rare', noted)
      const { paused } = await app.status(manager, 'rare')
      assert.deepEqual([paused?.note, paused?.by], [noted.note, 'ann'])
      await manager.resume('rare', signed)
      await manager.reschedule('rare', every(7_200_000), signed)
      assert.equal((await app.status(manager, 'rare')).schedule?.override?.by, 'ann')
      const runId = await manager.trigger('rare', signed)
      assert.equal((await app.untilFinished(manager, 'rare', runId)).by, 'ann')
      await app.untilIdle(manager, 'rare')
      await manager.remove('rare', signed)
      assert.deepEqual(events, [
        [{ worker: 'rare', note: noted.note, by: 'ann' }],
        [{ worker: 'rare', by: 'ann' }],
        [{ worker: 'rare', schedule: every(7_200_000), by: 'ann' }],
        [{ worker: 'rare', by: 'ann' }],
      ])
    },

    async 'trigger runs a worker now, and leaves its schedule alone'(app) {
      const worker = app.rareWorker()
      const manager = await app.start([worker])
      const { nextDueAt } = await app.status(manager, 'rare')
      const runId = await manager.trigger('rare', { by: 'ann' })
      const record = await app.untilFinished(manager, 'rare', runId)
      assert.deepEqual([record.kind, record.by, record.outcome], ['manual', 'ann', 'succeeded'])
      assert.equal(worker.calls[0]?.runId, runId)
      assert.deepEqual((await app.status(manager, 'rare')).nextDueAt, nextDueAt)
    },

    async 'trigger accepts one run at a time'(app) {
      const gate = app.gate()
      const worker = app.rareWorker({ doWork: () => gate.passed })
      const manager = await app.start([worker])
      const results = await Promise.allSettled([1, 2, 3].map(() => manager.trigger('rare')))
      const accepted = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
      assert.equal(accepted.length, 1)
      const runId = accepted[0] as string
      await assertRefused(manager.trigger('rare'), 'worker-busy', '"rare"', runId)
      gate.open()
      await app.untilFinished(manager, 'rare', runId)
      assert.equal(worker.calls.length, 1)
    },

    async 'reschedule refuses a bad schedule, and the worker keeps the one it has'(app) {
      const manager = await app.start([app.rareWorker()])
      await manager.reschedule('rare', every('30d'))
      const before = await app.status(manager, 'rare')
      const bad: unknown[] = [
        { kind: 'every', periodMs: app.minPeriodMs - 1 },
        { kind: 'every', periodMs: 60_000, offset: 1 },
        { kind: 'cron', expression: '0 0 30 2 *', timeZone: 'UTC' },
        { kind: 'cron', expression: '* * * * *', timeZone: 'Mars/Olympus' },
        '10m',
        null,
      ]
      for (const schedule of bad) {
        await assertRefused(manager.reschedule('rare', schedule as never), 'invalid-schedule', '"rare"')
      }
      assert.deepEqual(await app.status(manager, 'rare'), before)
    },

    async 'remove forgets a worker and its schedule, and announces that'(app) {
      const worker = app.frequentWorker()
      const manager = await app.start([worker, app.rareWorker()])
      const removed = app.listen(manager, 'worker-removed')
      await app.untilCalled(worker)
      assert.equal(await manager.remove('frequent', { by: 'ann' }), true)
      assert.equal(await manager.remove('frequent'), false)
      assert.deepEqual(removed, [{ worker: 'frequent', by: 'ann' }])
      assert.equal(await manager.get('frequent'), undefined)
      assert.deepEqual(
        (await manager.list()).map(({ name }) => name),
        ['rare'],
      )
      await assertRefused(manager.trigger('frequent'), 'unknown-worker', '"frequent"')
      await app.pass(1)
      const count = worker.calls.length
      await app.pass(2)
      assert.equal(worker.calls.length, count)
    },

    async 'remove is told once when it is called twice at the same time'(app) {
      const manager = await app.start([app.rareWorker(), new PlainProbe('plain')])
      const removed = app.listen(manager, 'worker-removed')
      for (const name of ['rare', 'plain']) {
        const answers = await Promise.all([manager.remove(name), manager.remove(name)])
        assert.equal(answers.filter(Boolean).length, 1)
        assert.deepEqual(removed.splice(0), [{ worker: name }])
      }
    },

    async 'remove lets the active run finish, and then stops the worker'(app) {
      const gate = app.gate()
      const order: string[] = []
      const worker = app.rareWorker({
        doWork: async ({ signal }) => {
          await gate.passed
          order.push(`run ended, aborted: ${signal.aborted}`)
        },
        stop: async () => {
          order.push('stop called')
        },
      })
      const manager = await app.start([worker])
      const finished = app.listen(manager, 'run-finished')
      await manager.trigger('rare')
      await app.untilCalled(worker)
      await manager.remove('rare')
      await app.pass(0.5)
      assert.deepEqual(order, [])
      gate.open()
      await app.until('the worker is stopped', () => order.length === 2)
      assert.deepEqual(order, ['run ended, aborted: false', 'stop called'])
      assert.deepEqual(
        finished.map(({ outcome }) => outcome),
        ['succeeded'],
      )
    },

    async 'remove stops a plain worker'(app) {
      const plain = new PlainProbe('plain')
      const manager = await app.start([plain])
      assert.equal(await manager.remove('plain'), true)
      await app.until('it is stopped', () => plain.stops.length === 1)
      await app.stop(manager)
      assert.deepEqual([plain.starts.length, plain.stops.length], [1, 1])
    },

    async 'remove forgets a slot that waits for its jitter'(app) {
      const { manager, worker, runId } = await app.startWaiting()
      await manager.remove('rare')
      await app.pass(11)
      assert.ok(worker.calls.every((call) => call.runId !== runId))
    },

    async 'remove also works before the start'(app) {
      const plain = new PlainProbe('plain')
      const manager = await app.create()
      await manager.add(plain)
      assert.equal(await manager.remove('plain'), true)
      await manager.start()
      assert.equal(plain.starts.length, 0)
      assert.deepEqual(await manager.list(), [])
    },

    async 'a worker that is added again has its records, and neither its override nor its pause'(app) {
      const manager = await app.start([app.rareWorker()])
      const record = await app.run(manager, 'rare')
      await manager.reschedule('rare', every('30d'))
      await manager.pause('rare')
      await manager.remove('rare')
      await manager.add(app.rareWorker())
      const status = await app.status(manager, 'rare')
      assert.deepEqual([status.schedule, status.paused, status.state], [{ declared: rarely }, undefined, 'idle'])
      assert.deepEqual([status.lastRun, await app.records(manager, 'rare')], [record, [record]])
    },

    async 'remove also works after a stop'(app) {
      const manager = await app.start([
        app.rareWorker({ name: 'kept' }),
        app.rareWorker(),
        app.rareWorker({ name: 'gone' }),
      ])
      for (const name of ['rare', 'gone']) {
        await manager.reschedule(name, every('30d'))
        await manager.pause(name)
      }
      await app.stop(manager)
      for (const name of ['rare', 'gone']) assert.equal(await manager.remove(name), true)
      await manager.add(app.rareWorker())
      await manager.start()
      assert.deepEqual((await manager.list()).map(({ name }) => name).sort(), ['kept', 'rare'])
      const status = await app.status(manager, 'rare')
      assert.deepEqual([status.schedule, status.paused, status.state], [{ declared: rarely }, undefined, 'idle'])
    },

    async 'a worker that is added again while its old run is active waits for its end'(app) {
      const gate = app.gate()
      const [old, renewed] = [app.rareWorker({ doWork: () => gate.passed }), app.rareWorker()]
      const manager = await app.start([old])
      const runId = await manager.trigger('rare')
      await app.untilCalled(old)
      await manager.remove('rare')
      await manager.add(renewed)
      await assertRefused(manager.trigger('rare'), 'worker-busy', runId)
      gate.open()
      await app.untilFinished(manager, 'rare', runId)
      await app.run(manager, 'rare')
      assert.deepEqual([old.calls.length, renewed.calls.length], [1, 1])
    },

    async 'a run is in the way of the same worker that is added again and waits for its end'(app) {
      const gate = app.gate()
      const worker = app.frequentWorker({ doWork: () => gate.passed })
      await assertInTheWay(app, worker, worker)
    },

    async 'a run is in the way of a worker that is added again and has not started yet'(app) {
      const [running, starting] = [app.gate(), app.gate()]
      const old = app.frequentWorker({ doWork: () => running.passed })
      const renewed = app.frequentWorker({ start: () => starting.passed })
      await assertInTheWay(app, old, renewed)
      running.open()
      await app.pass(2)
      assert.equal(renewed.calls.length, 0)
      starting.open()
      await app.untilCalled(renewed)
    },

    async 'the same worker that is added again during its run is stopped after that, and then started'(app) {
      const gate = app.gate()
      const order: string[] = []
      const worker = app.frequentWorker({
        start: async () => void order.push('start'),
        stop: async () => void order.push('stop'),
        doWork: async () => {
          order.push('run')
          await gate.passed
          order.push('end')
        },
      })
      const manager = await app.start([worker])
      await app.untilCalled(worker)
      await manager.remove('frequent')
      await manager.add(worker)
      await app.pass(2)
      assert.deepEqual(order, ['start', 'run'])
      gate.open()
      await app.untilCalled(worker, 2)
      assert.deepEqual(order.slice(0, 6), ['start', 'run', 'end', 'stop', 'start', 'run'])
      await app.stop(manager)
      assert.deepEqual(order.slice(-2), ['end', 'stop'])
    },

    async 'the same worker that is added again during its run has a signal that is not aborted'(app) {
      const gate = app.gate()
      const isStopping: boolean[] = []
      class Heeding extends ProbeWorker {
        override async doWork(context: PeriodicBackgroundWorkerContext): Promise<void> {
          await super.doWork(context)
          isStopping.push(this.stoppingSignal.aborted)
        }
      }
      const worker = new Heeding({ name: 'frequent', schedule: every(app.periodMs), doWork: () => gate.passed })
      const manager = await app.start([worker])
      await app.untilCalled(worker)
      await manager.remove('frequent')
      await manager.add(worker)
      gate.open()
      await app.until('it has run again', () => isStopping.length >= 2)
      assert.deepEqual(isStopping.slice(0, 2), [false, false])
    },

    async 'the same worker that is added again before it has stopped is started after that'(app) {
      const gate = app.gate()
      const plain = new PlainProbe('plain', { stop: () => gate.passed })
      const manager = await app.start([plain])
      await manager.remove('plain')
      await manager.add(plain)
      await app.pass(1)
      assert.deepEqual([plain.starts.length, plain.stops.length], [1, 1])
      gate.open()
      await app.until('it is started again', () => plain.starts.length === 2)
      await app.stop(manager)
      assert.equal(plain.stops.length, 2)
    },

    async 'the same worker that waits for its end is neither started nor stopped when it is removed again'(app) {
      const gate = app.gate()
      const plain = new PlainProbe('plain', { stop: () => gate.passed })
      const manager = await app.start([plain])
      for (let count = 0; count < 3; count++) {
        await manager.remove('plain')
        await manager.add(plain)
      }
      await manager.remove('plain')
      gate.open()
      await app.pass(1)
      assert.deepEqual([plain.starts.length, plain.stops.length], [1, 1])
    },

    async 'the same worker that is added again while nothing of it is at work is ready at once'(app) {
      const worker = app.rareWorker()
      const manager = await app.start([worker])
      await app.run(manager, 'rare')
      await app.untilIdle(manager, 'rare')
      await manager.remove('rare')
      await manager.add(worker)
      await app.untilFinished(manager, 'rare', await manager.trigger('rare'))
      assert.equal(worker.calls.length, 2)
    },
  },
}
