import assert from 'node:assert/strict'
import type { Logger } from '../../logger.ts'
import type { ContractGroup } from '../contract-suite.ts'
import type { TestApplication } from './test-application.ts'

const frozen = Object.freeze({ code: 42 })

/** Everything that can be thrown, and what its record says. */
const thrown: readonly [what: string, value: unknown, name: string, message: string][] = [
  ['an error', new TypeError('broken'), 'TypeError', 'broken'],
  ['a frozen error', Object.freeze(new Error('cold')), 'Error', 'cold'],
  ['undefined', undefined, 'NonError', 'undefined'],
  ['null', null, 'NonError', 'null'],
  ['a text', 'plain text', 'NonError', 'plain text'],
  ['a frozen object', frozen, 'NonError', '{"code":42}'],
  ['an object without prototype', Object.create(null), 'NonError', '{}'],
]

/** An object that throws whenever it is looked at. */
const untouchable = new Proxy(
  {},
  {
    get() {
      throw new Error('do not touch')
    },
    getPrototypeOf() {
      throw new Error('do not touch')
    },
  },
)

/** The tests of promise 11. */
export const failures: ContractGroup<TestApplication> = {
  title: '11. Failure',
  tests: {
    async 'records whatever doWork throws at once, and whatever it rejects with'(app) {
      for (const [how, fail] of Object.entries({
        thrown: (value: unknown) => {
          throw value
        },
        rejected: (value: unknown) => Promise.reject(value),
      })) {
        const workers = thrown.map(([, value], index) =>
          app.rareWorker({ name: `${how}-${index}`, doWork: () => fail(value) }),
        )
        const manager = await app.start(workers)
        for (const [index, [what, value, name, message]] of thrown.entries()) {
          const worker = `${how}-${index}`
          const record = await app.run(manager, worker)
          assert.deepEqual([record.outcome, record.reason, record.attempts], ['failed', undefined, 1], what)
          assert.deepEqual([record.error?.name, record.error?.message], [name, message], what)
          assert.deepEqual(
            app.errorLines(worker).map(({ data }) => data.err),
            [value],
            `${what} is logged once`,
          )
        }
        await app.stop(manager)
      }
    },

    async 'survives an error that can not even be looked at'(app) {
      const worker = app.rareWorker({ doWork: () => Promise.reject(untouchable) })
      const manager = await app.start([worker])
      const record = await app.run(manager, 'rare')
      assert.deepEqual([record.outcome, record.error?.name], ['failed', 'NonError'])
    },

    async 'logs a failure once, with worker, runId, scheduledFor and durationMs, and publishes it'(app) {
      const err = new Error('broken')
      const worker = app.rareWorker({ doWork: () => Promise.reject(err) })
      const manager = await app.start([worker])
      const finished = app.listen(manager, 'run-finished')
      const record = await app.run(manager, 'rare')
      const [line, ...others] = app.errorLines('rare')
      assert.deepEqual(others, [])
      assert.equal(line?.level, 'error')
      const { runId, scheduledFor, durationMs } = record
      assert.deepEqual(line.data, { err, worker: 'rare', runId, scheduledFor, durationMs })
      assert.ok(line.message.length > 0)
      assert.deepEqual(finished, [record])
    },

    async 'goes on with the schedule after a failure'(app) {
      const worker = app.frequentWorker({ doWork: () => Promise.reject(new Error('broken')) })
      const manager = await app.start([worker])
      await app.untilCalled(worker, 2)
      const status = await app.untilStatus(manager, 'frequent', 'has two failures', (s) => s.consecutiveFailures >= 2)
      assert.equal(status.lastFailure?.outcome, 'failed')
      assert.equal(manager.state, 'running')
    },

    async 'leaves the other workers alone'(app) {
      const broken = app.frequentWorker({
        name: 'broken',
        doWork: () => {
          throw new Error('broken')
        },
      })
      const sound = app.frequentWorker({ name: 'sound' })
      const manager = await app.start([broken, sound])
      await app.untilCalled(broken)
      await app.untilCalled(sound)
      assert.equal((await app.untilFinished(manager, 'sound', sound.calls[0]?.runId as string)).outcome, 'succeeded')
    },

    async 'counts failures in a row, says so in its health after three, and forgets them after a success'(app) {
      let isBroken = true
      const worker = app.rareWorker({
        doWork: () => {
          if (isBroken) throw new Error('broken')
        },
      })
      const manager = await app.start([worker])
      const changes = app.listen(manager, 'health-changed')
      for (const count of [1, 2, 3]) {
        assert.equal((await manager.health()).status, 'ok')
        await app.run(manager, 'rare')
        await app.untilStatus(manager, 'rare', `has ${count} failures`, (s) => s.consecutiveFailures === count)
      }
      const report = await manager.health()
      assert.equal(report.status, 'degraded')
      assert.deepEqual(
        report.reasons.map(({ code, worker: name }) => [code, name]),
        [['failing', 'rare']],
      )
      isBroken = false
      await app.run(manager, 'rare')
      await app.untilStatus(manager, 'rare', 'has no failures', (status) => status.consecutiveFailures === 0)
      assert.deepEqual(await manager.health().then(({ status, reasons }) => [status, reasons]), ['ok', []])
      assert.deepEqual(
        changes.map(({ status }) => status),
        ['degraded', 'ok'],
      )
    },

    async 'tells each health reason once when it comes and once when it goes'(app) {
      let isBroken = true
      const worker = app.rareWorker({
        doWork: () => {
          if (isBroken) throw new Error('broken')
        },
      })
      const manager = await app.start([worker])
      const added = app.listen(manager, 'health-reason-added')
      const cleared = app.listen(manager, 'health-reason-cleared')
      for (let failures = 1; failures <= 4; failures++) await app.run(manager, 'rare')
      await app.untilStatus(manager, 'rare', 'has 4 failures', (status) => status.consecutiveFailures === 4)
      const { reasons } = await manager.health()
      assert.deepEqual(
        added.map(({ code, worker: name }) => [code, name]),
        [['failing', 'rare']],
      )
      assert.deepEqual(
        reasons.map(({ code, worker: name }) => [code, name]),
        [['failing', 'rare']],
      )
      assert.deepEqual(cleared, [])
      isBroken = false
      await app.run(manager, 'rare')
      await app.until('the reason is gone', () => cleared.length > 0)
      assert.deepEqual([added.length, cleared], [1, [{ worker: 'rare', code: 'failing' }]])
    },

    async 'repeats a failed run inside the run: one runId, one record'(app) {
      const worker = app.rareWorker({
        policy: { retry: { attempts: 3, backoffMs: 5 } },
        doWork: ({ attempt }) => (attempt < 3 ? Promise.reject(new Error(`attempt ${attempt}`)) : undefined),
      })
      const manager = await app.start([worker])
      const events = (['run-started', 'run-finished'] as const).map((name) => app.listen(manager, name))
      const retries = app.listen(manager, 'run-retrying')
      const record = await app.run(manager, 'rare')
      assert.deepEqual([record.outcome, record.attempts, record.error], ['succeeded', 3, undefined])
      assert.deepEqual(
        worker.calls.map(({ attempt, runId, startedAt }) => [attempt, runId, startedAt]),
        [1, 2, 3].map((attempt) => [attempt, record.runId, record.startedAt]),
      )
      assert.deepEqual(
        retries.map(({ worker: name, runId, attempt, error }) => [name, runId, attempt, (error as Error).message]),
        [1, 2].map((attempt) => ['rare', record.runId, attempt, `attempt ${attempt}`]),
      )
      assert.ok(retries.every(({ retryAt }) => retryAt instanceof Date))
      assert.deepEqual(await app.records(manager, 'rare'), [record])
      assert.deepEqual(
        events.map((payloads) => payloads.length),
        [1, 1],
      )
      assert.equal((await app.status(manager, 'rare')).consecutiveFailures, 0)
    },

    async 'counts a run that used up its attempts as one failure, with its last error'(app) {
      const worker = app.rareWorker({
        policy: { retry: { attempts: 2, backoffMs: 1 } },
        doWork: ({ attempt }) => Promise.reject(new Error(`attempt ${attempt}`)),
      })
      const manager = await app.start([worker])
      const record = await app.run(manager, 'rare')
      assert.deepEqual([record.outcome, record.attempts, record.error?.message], ['failed', 2, 'attempt 2'])
      assert.equal((await app.status(manager, 'rare')).consecutiveFailures, 1)
      assert.equal(app.logger.lines.filter(({ level }) => level === 'error').length, 1)
    },

    async 'starts no attempt at or after the next slot'(app) {
      const worker = app.frequentWorker({
        policy: { retry: { attempts: 5, backoffMs: app.periodMs } },
        doWork: () => Promise.reject(new Error('broken')),
      })
      const manager = await app.start([worker])
      const [warning] = app.logger.linesOf(
        'by its schedule the worker is never retried: each retry would start at or after its next slot',
      )
      assert.deepEqual([warning?.level, warning?.data.worker], ['warn', 'frequent'])
      const retries = app.listen(manager, 'run-retrying')
      await app.untilCalled(worker)
      const record = await app.untilFinished(manager, 'frequent', worker.calls[0]?.runId as string)
      assert.deepEqual([record.outcome, record.attempts], ['failed', 1])
      await app.untilCalled(worker, 2)
      assert.notEqual(worker.calls[1]?.runId, worker.calls[0]?.runId)
      assert.equal(worker.calls[1]?.attempt, 1)
      assert.deepEqual(retries, [], 'what will not be repeated does not wait')
    },

    async 'survives a listener that throws or rejects, and logs it'(app) {
      const worker = app.rareWorker()
      const manager = await app.start([worker])
      const errors = [new Error('thrown by a listener'), new Error('rejected by a listener')]
      manager.on('run-started', () => {
        throw errors[0]
      })
      manager.on('run-finished', () => Promise.reject(errors[1] as Error))
      const finished = app.listen(manager, 'run-finished')
      const record = await app.run(manager, 'rare')
      assert.equal(record.outcome, 'succeeded')
      assert.equal(finished.length, 1)
      const isLogged = (error: unknown) => app.logger.lines.filter(({ data }) => data.err === error).length
      await app.until('both are logged', () => errors.every(isLogged))
      assert.deepEqual(errors.map(isLogged), [1, 1])
    },

    async 'survives a logger that throws'(app) {
      const fail = () => {
        throw new Error('the disk is full')
      }
      const logger: Logger = { debug: fail, info: fail, warn: fail, error: fail, child: fail }
      const worker = app.rareWorker({
        doWork: ({ logger: own, kind }) => {
          own.info({ kind }, 'working')
          throw new Error('broken')
        },
      })
      const manager = await app.start([worker], { logger })
      const record = await app.run(manager, 'rare')
      assert.deepEqual([record.outcome, record.error?.message], ['failed', 'broken'])
      await app.stop(manager)
      assert.equal(manager.state, 'stopped')
    },
  },
}
