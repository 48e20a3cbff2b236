import assert from 'node:assert/strict'
import type { ContractGroup } from '../contract-suite.ts'
import { PlainProbe } from '../manager-contract/probe-worker.ts'
import { type ClockApplication, HOUR_MS, MINUTE_MS, SECOND_MS } from './clock-application.ts'

/** When a run that is aborted does not end, its worker is stuck after this time. */
const STUCK_AFTER_MS = 30_000

/** The tests of promises 7, 11, 12 and 13 that are about time limits. */
export const timeLimits: ContractGroup<ClockApplication> = {
  title: '7, 11, 12, 13. Time limits',
  tests: {
    async 'counts a worker as stuck 30 s after an abort that its run does not heed'(app) {
      const gate = app.gate()
      const worker = app.rareWorker({ doWork: () => gate.passed })
      const manager = await app.start([worker])
      const stuck = app.listen(manager, 'worker-stuck')
      const recovered = app.listen(manager, 'worker-recovered')
      const changes = app.listen(manager, 'health-changed')
      const runId = await manager.trigger('rare')
      await app.clock.advance(MINUTE_MS)
      await manager.cancel(runId)
      await app.clock.advance(STUCK_AFTER_MS - 1)
      assert.deepEqual([stuck.length, (await app.status(manager, 'rare')).state], [0, 'running'])
      assert.equal((await manager.health()).status, 'ok')
      await app.clock.advance(1)
      assert.deepEqual(stuck, [{ worker: 'rare', runId }])
      assert.equal((await app.status(manager, 'rare')).state, 'stuck')
      const { status, reasons } = await manager.health()
      assert.deepEqual(
        [status, reasons.map(({ code, worker: name }) => [code, name])],
        ['unhealthy', [['stuck', 'rare']]],
      )
      assert.ok(app.logger.lines.some(({ level, data }) => level === 'error' && data.runId === runId))
      gate.open()
      await app.clock.settle()
      assert.deepEqual(recovered, [{ worker: 'rare' }])
      assert.equal((await app.status(manager, 'rare')).state, 'idle')
      assert.equal((await manager.health()).status, 'ok')
      assert.deepEqual(
        changes.map((report) => report.status),
        ['unhealthy', 'ok'],
      )
      await manager.trigger('rare')
    },

    async 'counts a worker as stuck until its run ends, also when it is removed and added again'(app) {
      const gate = app.gate()
      const deaf = () => app.rareWorker({ doWork: () => gate.passed })
      const manager = await app.start([deaf()])
      const recovered = app.listen(manager, 'worker-recovered')
      const runId = await manager.trigger('rare')
      await manager.cancel(runId)
      await app.clock.advance(STUCK_AFTER_MS)
      const assertStuck = async () => {
        const { status, reasons } = await manager.health()
        assert.deepEqual([status, reasons.map(({ code }) => code)], ['unhealthy', ['stuck']])
        assert.deepEqual(recovered, [])
      }
      await manager.remove('rare')
      await assertStuck()
      await manager.add(deaf())
      await assertStuck()
      const { state, activeRun } = await app.status(manager, 'rare')
      assert.deepEqual([state, activeRun?.runId], ['stuck', runId])
      gate.open()
      await app.clock.settle()
      assert.deepEqual(recovered, [{ worker: 'rare' }])
      assert.equal((await app.status(manager, 'rare')).state, 'idle')
      assert.equal((await manager.health()).status, 'ok')
    },

    async 'does not count a run as stuck that takes long and was not aborted'(app) {
      const gate = app.gate()
      const manager = await app.start([app.rareWorker({ doWork: () => gate.passed })])
      const stuck = app.listen(manager, 'worker-stuck')
      await manager.trigger('rare')
      await app.clock.advance(HOUR_MS)
      assert.deepEqual([stuck.length, (await app.status(manager, 'rare')).state], [0, 'running'])
    },

    async 'aborts at exactly the timeout, also when its timers fire early'(app) {
      app.clock.patience = 0.9
      const gate = app.gate()
      const worker = app.rareWorker({ policy: { timeoutMs: 90_000 }, doWork: ({ signal }) => signal && gate.passed })
      const manager = await app.start([worker])
      await manager.trigger('rare')
      await app.clock.advance(89_999)
      assert.equal(worker.calls[0]?.signal.aborted, false)
      await app.clock.advance(1)
      assert.equal(worker.calls[0]?.signal.aborted, true)
      const [record] = await app.records(manager, 'rare')
      assert.equal(record?.durationMs, 90_000)
    },

    async 'waits longer before each retry, by the factor, up to the most'(app) {
      const times: number[] = []
      const worker = app.rareWorker({
        policy: { retry: { attempts: 5, backoffMs: 100, factor: 2, maxBackoffMs: 300 } },
        doWork: () => {
          times.push(app.clock.monotonicNow())
          throw new Error('broken')
        },
      })
      const manager = await app.start([worker])
      const retries = app.listen(manager, 'run-retrying')
      await manager.trigger('rare')
      const startedAt = app.clock.now()
      await app.clock.advance(MINUTE_MS)
      assert.deepEqual(
        times.map((time) => time - (times[0] as number)),
        [0, 100, 300, 600, 900],
      )
      assert.deepEqual(
        retries.map(({ retryAt }) => retryAt.getTime() - startedAt),
        [100, 300, 600, 900],
      )
    },

    async 'gives the start of a worker 30 s by default'(app) {
      const gate = app.gate()
      const manager = await app.start([new PlainProbe('silent', { start: () => gate.passed })])
      const failed = app.listen(manager, 'worker-start-failed')
      await app.clock.advance(30 * SECOND_MS - 1)
      assert.deepEqual([failed.length, (await manager.health()).status], [0, 'ok'])
      await app.clock.advance(1)
      assert.deepEqual([failed.length, (await manager.health()).status], [1, 'degraded'])
    },

    async 'gives runs 30 s by default at a stop, then 1 s more after the abort'(app) {
      const gate = app.gate()
      const worker = app.rareWorker({ doWork: ({ signal }) => signal && gate.passed })
      const manager = await app.start([worker])
      const runId = await manager.trigger('rare')
      const stopped = manager.stop()
      await app.clock.advance(30 * SECOND_MS - 1)
      assert.equal(worker.calls[0]?.signal.aborted, false)
      await app.clock.advance(1)
      assert.equal(worker.calls[0]?.signal.aborted, true)
      await app.clock.advance(SECOND_MS - 1)
      assert.equal(manager.state, 'stopping')
      await app.clock.advance(1)
      assert.deepEqual(await stopped, { finished: 0, abandoned: [{ worker: 'rare', runId }] })
    },

    async 'leaves no timer behind, whatever was under way'(app) {
      const gate = app.gate()
      const fails = () => Promise.reject(new Error('not yet'))
      const manager = await app.start([
        app.rareWorker({ name: 'holds', policy: { timeoutMs: HOUR_MS }, doWork: () => gate.passed }),
        app.rareWorker({ name: 'cancelled', policy: { timeoutMs: HOUR_MS }, doWork: () => gate.passed }),
        app.rareWorker({ name: 'retries', policy: { retry: { attempts: 2, backoffMs: HOUR_MS } }, doWork: fails }),
        app.frequentWorker({ name: 'jitters', policy: { jitterMs: app.periodMs } }),
        app.rareWorker({ name: 'removed', policy: { timeoutMs: HOUR_MS }, doWork: () => gate.passed }),
        new PlainProbe('silent', { start: () => gate.passed, stop: () => gate.passed }),
      ])
      for (const name of ['holds', 'cancelled', 'retries', 'removed']) await manager.trigger(name)
      const [cancelled] = await manager.runs('cancelled')
      await manager.cancel(cancelled?.runId as string)
      await manager.remove('removed')
      await app.clock.advance(app.periodMs)
      await app.stop(manager, { timeoutMs: app.periodMs })
      assert.equal(app.clock.timerCount, 0)
      gate.open()
      await app.clock.settle()
      assert.equal(app.clock.timerCount, 0)
    },
  },
}
