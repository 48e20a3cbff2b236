import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
import { subscribe, tracingChannel, unsubscribe } from 'node:diagnostics_channel'
import { type RunRecord, isSlotRun } from '../../run-record.ts'
import { every } from '../../schedule.ts'
import { RUN_CHANNEL_NAME, type RunTrace, TRIGGER_CHANNEL_NAME, type TriggerTrace } from '../../tracing.ts'
import type { ContractGroup } from '../contract-suite.ts'
import { PlainProbe, untilAborted } from './probe-worker.ts'
import type { TestApplication } from './test-application.ts'

const UUID = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/

const idsOf = (records: readonly RunRecord[]) => records.map(({ runId }) => runId)

/** The tests of promise 15. */
export const sameWords: ContractGroup<TestApplication> = {
  title: '15. Same words',
  tests: {
    async 'names runs after worker and slot, or worker and an id of their own'(app) {
      const worker = app.frequentWorker({ name: 'named', policy: { runOnStart: true } })
      const manager = await app.start([worker])
      const slotRun = await app.until('a slot has run', () => worker.calls.find(isSlotRun))
      assert.equal(slotRun.runId, `named.${slotRun.scheduledFor.getTime()}`)
      const start = await app.untilRecord(manager, 'named', { kind: 'start' })
      assert.match(start.runId, /^named\.start-.+$/)
      await manager.pause('named')
      const { runId } = await app.run(manager, 'named')
      assert.match(runId, new RegExp(`^named\\.m-${UUID.source}$`))
    },

    async 'tells each attempt what it is'(app) {
      const worker = app.rareWorker({ doWork: ({ logger }) => logger.info({ step: 1 }, 'working') })
      const manager = await app.start([worker])
      const first = await app.run(manager, 'rare')
      await app.run(manager, 'rare')
      const [call, next] = worker.calls
      assert.deepEqual(
        [call?.workerName, call?.runId, call?.kind, call?.attempt, call?.missedSlots],
        ['rare', first.runId, 'manual', 1, 0],
      )
      assert.deepEqual([call?.scheduledFor, call?.startedAt], [first.scheduledFor, first.startedAt])
      assert.deepEqual([call?.lastSucceededAt, next?.lastSucceededAt], [undefined, first.finishedAt])
      const [line] = app.logger.linesOf('working')
      assert.deepEqual(line?.data, { worker: 'rare', runId: first.runId, scheduledFor: first.scheduledFor, step: 1 })
    },

    async 'keeps the same record in runs, in the status and in the events'(app) {
      const manager = await app.start([app.rareWorker()])
      const started = app.listen(manager, 'run-started')
      const finished = app.listen(manager, 'run-finished')
      await app.untilIdle(manager, 'rare')
      const runId = await manager.trigger('rare', { by: 'ann' })
      const record = await app.untilFinished(manager, 'rare', runId)
      await app.untilIdle(manager, 'rare')
      const { lastRun, lastSuccess, activeRun } = await app.status(manager, 'rare')
      assert.deepEqual([lastRun, lastSuccess, activeRun], [record, record, undefined])
      assert.deepEqual(finished, [record])
      assert.deepEqual([record.outcome, record.kind, record.by, record.attempts], ['succeeded', 'manual', 'ann', 1])
      assert.deepEqual(idsOf(started), [runId])
      assert.deepEqual([started[0]?.outcome, started[0]?.startedAt], [undefined, record.startedAt])
      const { scheduledFor, startedAt, finishedAt } = record as Required<RunRecord>
      assert.ok(scheduledFor <= startedAt && startedAt <= finishedAt)
    },

    async 'sums up in the status how the last runs went'(app) {
      const outcomes = ['ok', 'broken', 'ok', 'broken', 'broken']
      const worker = app.rareWorker({
        doWork: () => {
          if (outcomes[worker.calls.length - 1] === 'broken') throw new Error('broken')
        },
      })
      const manager = await app.start([worker])
      const fresh = await app.status(manager, 'rare')
      assert.deepEqual([fresh.state, fresh.recentOutcomes, fresh.consecutiveFailures], ['idle', [], 0])
      assert.deepEqual([fresh.lastRun, fresh.lastSuccess, fresh.lastFailure], [undefined, undefined, undefined])
      const records: RunRecord[] = []
      for (const _ of outcomes) records.push(await app.run(manager, 'rare'))
      await app.untilIdle(manager, 'rare')
      const status = await app.status(manager, 'rare')
      assert.deepEqual(status.recentOutcomes, ['succeeded', 'failed', 'succeeded', 'failed', 'failed'])
      assert.equal(status.consecutiveFailures, 2)
      assert.deepEqual([status.lastRun, status.lastSuccess, status.lastFailure], [records[4], records[2], records[4]])
    },

    async 'gives the records newest first, at most as many as asked for'(app) {
      const manager = await app.start([app.rareWorker()])
      const records: RunRecord[] = []
      for (let count = 0; count < 3; count++) {
        records.unshift(await app.run(manager, 'rare'))
        // Two runs of the same millisecond have no order.
        await app.pass(0.1)
      }
      assert.deepEqual(await app.records(manager, 'rare'), records)
      assert.deepEqual(await manager.runs('rare', { limit: 2 }), records.slice(0, 2))
      assert.deepEqual(await manager.runs('rare', { limit: 10 }), records)
    },

    async 'keeps as many records as the policy says, and always the last success and the last failure'(app) {
      const outcomes = ['broken', 'ok', 'broken', 'ok', 'ok', 'ok']
      const worker = app.rareWorker({
        policy: { keepRuns: 2 },
        doWork: () => {
          if (outcomes[worker.calls.length - 1] === 'broken') throw new Error('broken')
        },
      })
      const manager = await app.start([worker])
      const records: RunRecord[] = []
      for (const _ of outcomes) {
        records.unshift(await app.run(manager, 'rare'))
        await app.pass(0.1)
      }
      const [newest, second, , lastFailure] = records as [RunRecord, RunRecord, RunRecord, RunRecord]
      assert.deepEqual(idsOf(await app.records(manager, 'rare')), idsOf([newest, second, lastFailure]))
    },

    async 'keeps runs apart from slots that did not run'(app) {
      const gate = app.gate()
      const worker = app.frequentWorker({ policy: { keepRuns: 1 }, doWork: () => gate.passed })
      const manager = await app.start([worker])
      const skips = app.listen(manager, 'run-skipped')
      await app.until('two slots are skipped', () => skips.length >= 2)
      const records = await app.records(manager, 'frequent')
      assert.deepEqual(
        records.map(({ outcome }) => outcome),
        ['skipped', undefined],
      )
    },

    async 'fills the policy from the worker, then the manager, then the defaults'(app) {
      const worker = app.rareWorker({ policy: { keepRuns: 7, retry: { attempts: 2, backoffMs: 5 } } })
      const manager = await app.start([worker], { defaultPolicy: { keepRuns: 50, timeoutMs: 60_000 } })
      const { policy } = await app.status(manager, 'rare')
      assert.deepEqual(policy, {
        runOnStart: false,
        misfire: 'run-once',
        jitterMs: 0,
        timeoutMs: 60_000,
        retry: { attempts: 2, backoffMs: 5, factor: 1, maxBackoffMs: 3_600_000 },
        keepRuns: 7,
        onCrash: 'next-slot',
        queue: 'default',
      })
    },

    async 'says of a plain worker only what applies to it'(app) {
      const manager = await app.start([new PlainProbe('plain')])
      const status = await app.untilStatus(manager, 'plain', 'is idle', ({ state }) => state === 'idle')
      assert.deepEqual(status, { name: 'plain', state: 'idle', recentOutcomes: [], consecutiveFailures: 0 })
      assert.deepEqual(await manager.runs('plain'), [])
    },

    async 'is healthy, for no reason, while it runs'(app) {
      const manager = await app.start([app.rareWorker()])
      const { status, reasons } = await manager.health()
      assert.deepEqual([status, reasons], ['ok', []])
    },

    async 'tells a listener of each event until it is taken back'(app) {
      const manager = await app.start([app.rareWorker()])
      const told: string[] = []
      const listener = ({ runId }: RunRecord) => told.push(runId)
      const [stopFirst, stopSecond] = [manager.on('run-finished', listener), manager.on('run-finished', listener)]
      const { runId: first } = await app.run(manager, 'rare')
      stopFirst()
      stopFirst()
      const { runId: second } = await app.run(manager, 'rare')
      stopSecond()
      await app.run(manager, 'rare')
      assert.deepEqual(told, [first, first, second])
    },

    async 'publishes every run on the diagnostics channel'(app) {
      const told: [string, RunTrace][] = []
      const tell = (event: string) => (message: unknown) => told.push([event, { ...(message as RunTrace) }])
      const subscribers = {
        start: tell('start'),
        end: () => {},
        asyncStart: () => {},
        asyncEnd: tell('asyncEnd'),
        error: tell('error'),
      }
      const channel = tracingChannel<string, RunTrace>(RUN_CHANNEL_NAME)
      channel.subscribe(subscribers)
      try {
        const manager = await app.start([
          app.rareWorker({ name: 'sound' }),
          app.rareWorker({ name: 'broken', doWork: () => Promise.reject(new Error('broken')) }),
        ])
        const [sound, broken] = [await app.run(manager, 'sound'), await app.run(manager, 'broken')]
        const toldOf = (runId: string) => told.filter(([, trace]) => trace.runId === runId)
        await app.until('both have ended', () => toldOf(broken.runId).length >= 3 && toldOf(sound.runId).length >= 2)
        assert.deepEqual(
          toldOf(sound.runId).map(([event, { worker, kind }]) => [event, worker, kind]),
          [
            ['start', 'sound', 'manual'],
            ['asyncEnd', 'sound', 'manual'],
          ],
        )
        assert.deepEqual(
          toldOf(broken.runId).map(([event]) => event),
          ['start', 'error', 'asyncEnd'],
        )
        assert.deepEqual(toldOf(sound.runId)[1]?.[1].record, sound)
      } finally {
        channel.unsubscribe(subscribers)
      }
    },

    async 'calls a run in the context that a subscriber of its channel sets, after `run-started`'(app) {
      const context = new AsyncLocalStorage<string>()
      const started: string[] = []
      const seen: unknown[] = []
      const setContext = (message: unknown) => {
        const trace = message as RunTrace
        const { runId, instanceId } = trace
        trace.within = (run) => context.run(`${runId} ${started.includes(`${runId} ${instanceId}`)}`, run)
      }
      const { start } = tracingChannel<string, RunTrace>(RUN_CHANNEL_NAME)
      start.subscribe(setContext)
      try {
        const manager = await app.start([
          app.rareWorker({
            name: 'at-work',
            doWork: async () => {
              await Promise.resolve()
              seen.push(context.getStore())
            },
          }),
        ])
        manager.on('run-started', ({ runId, instanceId }) => started.push(`${runId} ${instanceId}`))
        const { runId } = await app.run(manager, 'at-work')
        assert.deepEqual(seen, [`${runId} true`])
      } finally {
        start.unsubscribe(setContext)
      }
    },

    async 'calls a run in the context of nobody who has triggered, resumed or rescheduled its worker'(app) {
      const request = new AsyncLocalStorage<string>()
      const seen = new Map<string, unknown>()
      const worker = app.frequentWorker({
        doWork: ({ runId }) => {
          seen.set(runId, request.getStore())
          // What a run enters is its own.
          request.enterWith('a run')
        },
      })
      const other = app.rareWorker({ doWork: ({ runId }) => void seen.set(runId, request.getStore()) })
      const timed = app.rareWorker({
        name: 'timed',
        policy: { timeoutMs: app.periodMs },
        doWork: async ({ runId, signal }) => {
          await untilAborted(signal).catch(() => {})
          seen.set(`${runId} resumed`, request.getStore())
        },
      })
      const manager = await app.start([worker, other, timed])
      manager.on('run-finished', ({ worker: name, runId }) => {
        if (name === 'timed') seen.set(`${runId} told`, request.getStore())
      })
      await manager.pause('frequent')
      const { runId } = await request.run('a request', async () => {
        await manager.resume('frequent')
        await manager.reschedule('rare', every(86_400_000))
        await manager.trigger('timed')
        return app.run(manager, 'rare')
      })
      await app.untilRecord(manager, 'timed', { reason: 'timeout' })
      await app.untilIdle(manager, 'timed')
      const { length } = worker.calls
      await app.untilCalled(worker, length + 2)
      assert.equal(seen.has(runId), true)
      assert.ok([...seen.keys()].some((key) => key.endsWith(' told')))
      assert.deepEqual([...new Set(seen.values())], [undefined])
    },

    async 'hands over to a run what a subscriber says of its trigger'(app) {
      const caller = new AsyncLocalStorage<string>()
      const causes = new Map<string, string | undefined>()
      const noteCause = (message: unknown) => {
        const { runId, cause } = message as RunTrace
        causes.set(runId, cause)
      }
      const setCause = (message: unknown) => {
        const trace = message as TriggerTrace
        const name = caller.getStore()
        if (name !== undefined) trace.cause = `${name} of ${trace.worker}`
      }
      const { start } = tracingChannel<string, RunTrace>(RUN_CHANNEL_NAME)
      start.subscribe(noteCause)
      subscribe(TRIGGER_CHANNEL_NAME, setCause)
      try {
        const manager = await app.start([app.rareWorker({ name: 'asked' })])
        const asked = await caller.run('the caller', () => app.run(manager, 'asked'))
        const again = await app.run(manager, 'asked')
        assert.equal(causes.get(asked.runId), 'the caller of asked')
        assert.equal(causes.has(again.runId), true)
        assert.equal(causes.get(again.runId), undefined)
      } finally {
        start.unsubscribe(noteCause)
        unsubscribe(TRIGGER_CHANNEL_NAME, setCause)
      }
    },
  },
}
