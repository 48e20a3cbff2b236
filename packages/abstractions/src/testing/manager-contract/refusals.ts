import assert from 'node:assert/strict'
import type { IBackgroundWorker } from '../../background-worker.ts'
import type { ByOption, IBackgroundWorkerManager } from '../../manager.ts'
import type { ManagerEventName } from '../../manager-events.ts'
import type { PeriodicWorkerPolicy } from '../../policy.ts'
import { type Schedule, cron, every } from '../../schedule.ts'
import type { ContractGroup } from '../contract-suite.ts'
import { PlainProbe } from './probe-worker.ts'
import { assertRefused } from './shapes.ts'
import { type TestApplication, rarely } from './test-application.ts'

const DAY_MS = 86_400_000

/** Asserts that each schedule is refused with a message that names the worker and these words, and nothing is kept. */
async function assertSchedulesRefused(app: TestApplication, schedules: readonly unknown[], ...words: string[]) {
  const manager = await app.start()
  for (const schedule of schedules) {
    const worker = app.rareWorker({ name: 'refused', schedule: schedule as Schedule })
    await assertRefused(manager.add(worker), 'invalid-schedule', '"refused"', ...words)
  }
  assert.deepEqual(await manager.list(), [])
}

const everyMs = (periodMs: unknown, offsetMs?: unknown) => ({
  kind: 'every',
  periodMs,
  ...(offsetMs !== undefined && { offsetMs }),
})

const cronOf = (expression: unknown, timeZone: unknown = 'UTC') => ({ kind: 'cron', expression, timeZone })

/** The tests of promise 1. */
export const refusals: ContractGroup<TestApplication> = {
  title: '1. Refusals',
  tests: {
    async 'refuses a second worker of the same name and keeps the first'(app) {
      const first = app.rareWorker({ name: 'twice' })
      const manager = await app.start([first])
      await assertRefused(manager.add(app.rareWorker({ name: 'twice' })), 'duplicate-worker', '"twice"', 'own name')
      await assertRefused(manager.add(first), 'duplicate-worker', '"twice"')
      await assertRefused(manager.add(new PlainProbe('twice')), 'duplicate-worker', '"twice"')
      await app.run(manager, 'twice')
      assert.equal(first.calls.length, 1)
      assert.equal((await manager.list()).length, 1)
    },

    async 'refuses a duplicate name before the start too'(app) {
      const manager = await app.create()
      const first = new PlainProbe('twice')
      const second = new PlainProbe('twice')
      await manager.add(first)
      await assertRefused(manager.add(second), 'duplicate-worker', '"twice"')
      await manager.start()
      assert.equal(first.starts.length, 1)
      assert.equal(second.starts.length, 0)
    },

    async 'refuses a name that is not a slug, of plain workers too'(app) {
      const manager = await app.start()
      const names = ['', 'Upper', '-dash', '.dot', '_line', 'a b', 'a/b', 'a:b', 'a{b}', 'grün', 'x'.repeat(101), 'a\n']
      for (const name of names) {
        const shown = JSON.stringify(name.slice(0, 50)).slice(1, -1)
        await assertRefused(manager.add(app.rareWorker({ name })), 'invalid-worker', shown, 'a-z')
        await assertRefused(manager.add(new PlainProbe(name)), 'invalid-worker', shown, 'a-z')
      }
      for (const name of [undefined, null, 5, {}, Symbol('name')]) {
        await assertRefused(manager.add(new PlainProbe(name as string)), 'invalid-worker', 'name')
      }
      assert.deepEqual(await manager.list(), [])
    },

    async 'takes every name that is a slug'(app) {
      const names = ['a', '0', 'a.b_c-d', '7-days', 'x'.repeat(100), 'constructor', 'tostring']
      const manager = await app.start(names.map((name) => app.rareWorker({ name })))
      assert.deepEqual((await manager.list()).map(({ name }) => name).sort(), [...names].sort())
    },

    async 'refuses what is not a worker'(app) {
      const manager = await app.start()
      const start = async () => {}
      const notWorkers: unknown[] = [
        undefined,
        null,
        'worker',
        PlainProbe,
        {},
        { name: 'no-stop', start },
        { name: 'no-start', stop: start },
        { name: 'no-work', start, stop: start, schedule: rarely },
        {
          get name(): string {
            throw new Error('no name')
          },
          start,
          stop: start,
        },
      ]
      for (const worker of notWorkers) await assertRefused(manager.add(worker as IBackgroundWorker), 'invalid-worker')
      await assertRefused(manager.add({ name: 'half', start } as never), 'invalid-worker', '"half"', 'stop()')
      assert.deepEqual(await manager.list(), [])
    },

    'refuses a cron with other than five or six fields': (app) =>
      assertSchedulesRefused(
        app,
        ['*', '* *', '* * * *', '* * * * * * *', '* * * * * * 2030'].map((text) => cronOf(text)),
      ),

    'refuses a cron that can not be read': (app) =>
      assertSchedulesRefused(
        app,
        [
          '',
          'every day at 5',
          '61 * * * *',
          '* 24 * * *',
          '* * 32 * *',
          '* * * 13 *',
          '* * * * 8',
          '*/0 * * * *',
          5,
          null,
        ].map((text) => cronOf(text)),
      ),

    'refuses @reboot and unknown nicknames': (app) =>
      assertSchedulesRefused(
        app,
        ['@reboot', '@REBOOT', '@every_minute', '@'].map((text) => cronOf(text)),
        'nickname',
      ),

    'refuses a cron that never fires': (app) =>
      assertSchedulesRefused(
        app,
        ['0 0 30 2 *', '0 0 31 4 *', '0 0 0 31 11 *'].map((text) => cronOf(text)),
        'never',
      ),

    'refuses an unknown time zone': (app) =>
      assertSchedulesRefused(
        app,
        ['Mars/Olympus', '', '+02:00', 'Berlin', 7].map((zone) => cronOf('0 3 * * *', zone)),
      ),

    'refuses a period of zero, below zero, without end, or that can not be read': (app) =>
      assertSchedulesRefused(
        app,
        [0, -0, -1, -60_000, Number.NaN, Number.POSITIVE_INFINITY, '10m', undefined, null, 5n].map((period) =>
          everyMs(period),
        ),
        'period',
      ),

    'refuses a period below the smallest that the manager keeps': (app) =>
      assertSchedulesRefused(app, [everyMs(app.minPeriodMs - 1), everyMs(app.minPeriodMs - 0.5)], 'smallest'),

    'refuses a period above 3,650 days': (app) =>
      assertSchedulesRefused(app, [everyMs(3_650 * DAY_MS + 1), everyMs(Number.MAX_SAFE_INTEGER)], '3,650 days'),

    'refuses a period or an offset that is not whole milliseconds': async (app) => {
      await assertSchedulesRefused(app, [everyMs(60_000.5), everyMs(60_000, 0.5)], 'whole')
    },

    'refuses an offset that is negative or not below the period': (app) =>
      assertSchedulesRefused(
        app,
        [-1, 60_000, 60_001, Number.NaN, '5s'].map((offset) => everyMs(60_000, offset)),
        'offset',
      ),

    'refuses what is not a schedule, and unknown keys in one': async (app) => {
      const notSchedules = [undefined, null, '* * * * *', 60_000, {}, { kind: 'daily' }, [cronOf('* * * * *')]]
      await assertSchedulesRefused(app, [
        ...notSchedules,
        { ...everyMs(60_000), offset: 5 },
        { ...cronOf('* * * * *'), tz: 'UTC' },
      ])
    },

    async 'takes the smallest and the longest period, and the largest offset'(app) {
      const schedules = [
        every(app.minPeriodMs),
        every(3_650 * DAY_MS),
        every('30d', { offset: 0 }),
        every('30d', { offset: 30 * DAY_MS - 1 }),
      ]
      const workers = schedules.map((schedule, index) => app.rareWorker({ name: `w${index}`, schedule }))
      const manager = await app.start(workers)
      const declared = (await manager.list()).map(({ schedule }) => schedule?.declared)
      assert.deepEqual(declared, schedules)
    },

    async 'refuses unknown keys and impossible values in a policy'(app) {
      const manager = await app.start()
      const policies: [string, unknown][] = [
        ['catchUp', { catchUp: true }],
        ['runOnStart', { runOnStart: 'yes' }],
        ['misfire', { misfire: 'run-all' }],
        ['catchUpWindowMs', { catchUpWindowMs: -1 }],
        ['jitterMs', { jitterMs: 1.5 }],
        ['timeoutMs', { timeoutMs: 0 }],
        ['timeoutMs', { timeoutMs: Number.POSITIVE_INFINITY }],
        ['retry', { retry: { attempts: 3 } }],
        ['retry', { retry: { attempts: 0, backoffMs: 10 } }],
        ['retry', { retry: { attempts: 2, backoffMs: 10, delay: 5 } }],
        ['maxBackoffMs', { retry: { attempts: 2, backoffMs: 10, maxBackoffMs: 9 } }],
        ['retry', { retry: 3 }],
        ['keepRuns', { keepRuns: 0 }],
        ['onCrash', { onCrash: 'again' }],
        ['queue', { queue: 'Not A Slug' }],
        ['options', 'often'],
      ]
      for (const [word, policy] of policies) {
        const worker = app.rareWorker({ name: 'refused', policy: policy as PeriodicWorkerPolicy })
        await assertRefused(manager.add(worker), 'invalid-options', '"refused"', word)
      }
      assert.deepEqual(await manager.list(), [])
    },

    async 'half-adds nothing: what was refused is not there, and its name is free'(app) {
      const manager = await app.start()
      const added = app.listen(manager, 'worker-added')
      let starts = 0
      const start = async () => {
        starts++
      }
      const bad = app.rareWorker({
        name: 'corrected',
        schedule: everyMs(0) as Schedule,
        policy: { runOnStart: true },
        start,
      })
      await assertRefused(manager.add(bad), 'invalid-schedule')
      assert.deepEqual(added, [])
      assert.equal(await manager.get('corrected'), undefined)
      assert.equal(await manager.remove('corrected'), false)
      await assertRefused(manager.trigger('corrected'), 'unknown-worker', '"corrected"')
      const good = app.rareWorker({ name: 'corrected' })
      await manager.add(good)
      await app.run(manager, 'corrected')
      assert.deepEqual([bad.calls.length, good.calls.length, starts], [0, 1, 0])
    },

    async 'refuses a Proxy of a worker, which can not take its logger, and keeps nothing of it'(app) {
      const manager = await app.start()
      const worker = app.rareWorker()
      await assertRefused(manager.add(new Proxy(worker, {})), 'invalid-worker', 'Proxy')
      assert.equal(await manager.get('rare'), undefined)
      await manager.add(worker)
      await app.run(manager, 'rare')
      assert.equal(worker.calls.length, 1)
    },

    async 'leaves what it was given as it was'(app) {
      const schedule = every(60_000)
      const policy = Object.freeze({ keepRuns: 5 })
      const worker = Object.freeze(app.rareWorker({ schedule, policy }))
      const manager = await app.start([worker])
      await app.run(manager, 'rare')
      assert.deepEqual([worker.schedule, worker.policy], [{ kind: 'every', periodMs: 60_000 }, { keepRuns: 5 }])
    },

    async 'reads name, schedule and policy once, when the worker is added'(app) {
      const worker = app.rareWorker({ name: 'steady' })
      const manager = await app.start([worker])
      Object.assign(worker, { schedule: cron('0 0 * * *'), policy: { keepRuns: 1 } })
      const { schedule, policy } = await app.status(manager, 'steady')
      assert.deepEqual(schedule?.declared, rarely)
      assert.equal(policy?.keepRuns, 100)
    },

    async 'refuses unknown keys in the options of every call'(app) {
      const manager = await app.start([app.rareWorker()])
      const unknown = { who: 'me' } as ByOption
      const calls: [string, (manager: IBackgroundWorkerManager) => Promise<unknown>][] = [
        ['trigger', () => manager.trigger('rare', unknown)],
        ['cancel', () => manager.cancel('rare.1', unknown)],
        ['pause', () => manager.pause('rare', unknown)],
        ['resume', () => manager.resume('rare', unknown)],
        ['reschedule', () => manager.reschedule('rare', undefined, unknown)],
        ['remove', () => manager.remove('rare', unknown)],
        ['runs', () => manager.runs('rare', unknown as never)],
        ['stop', () => manager.stop(unknown as never)],
      ]
      for (const [name, call] of calls) await assertRefused(call(manager), 'invalid-options', name, '"who"')
      await assertRefused(manager.runs('rare', { limit: 0 }), 'invalid-options', 'limit')
      await assertRefused(manager.stop({ timeoutMs: -1 }), 'invalid-options', 'timeoutMs')
      await assertRefused(manager.pause('rare', { note: 5 as never }), 'invalid-options', 'note')
      await assertRefused(manager.get(undefined as never), 'invalid-options', 'name')
      assert.equal(manager.state, 'running')
      assert.equal((await app.status(manager, 'rare')).state, 'idle')
    },

    async 'refuses an unknown event and a listener that is none'(app) {
      const manager = await app.create()
      await assertRefused(() => manager.on('run-ended' as ManagerEventName, () => {}), 'invalid-options', 'run-ended')
      await assertRefused(() => manager.on('run-finished', 'me' as never), 'invalid-options', 'listener')
    },

    async 'refuses unknown and impossible options of the manager'(app) {
      const options = [
        { colour: 'red' },
        { stopTimeoutMs: -1 },
        { startTimeoutMs: 0 },
        { isEnabled: 'no' },
        { logger: {} },
      ]
      for (const bad of [...options, { applicationName: 'Not A Slug' }, { defaultPolicy: { catchUp: 1 } }]) {
        await assertRefused(() => app.create(bad as never), 'invalid-options', Object.keys(bad)[0] as string)
      }
    },
  },
}
