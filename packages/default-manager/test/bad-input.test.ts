import {
  AsyncPeriodicBackgroundWorkerBase,
  BackgroundWorkerError,
  every,
  periodicWorker,
} from '@background-workers/abstractions'
import { ManualClock } from '@background-workers/abstractions/testing'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DefaultBackgroundWorkerManager } from '../src/default-background-worker-manager.ts'

// The calls are made as JavaScript callers make them: nothing is known of the types.
type Manager = Record<
  'add' | 'remove' | 'trigger' | 'cancel' | 'pause' | 'resume' | 'reschedule' | 'get' | 'runs' | 'stop',
  (...args: unknown[]) => Promise<unknown>
>
type BadCall = [title: string, call: (manager: Manager) => unknown, code: string, message: string | RegExp]

const schedule = every('1h')
const parts = (extra: object = {}): object => ({
  name: 'bad',
  schedule,
  async doWork() {},
  async start() {},
  async stop() {},
  ...extra,
})
const add = (extra: object) => (manager: Manager) => manager.add(parts(extra))
const thrower = (key: string, rest: object = {}): object =>
  Object.defineProperty({ ...rest }, key, {
    enumerable: true,
    get() {
      throw new Error('getter')
    },
  })
const trap = () => {
  throw new Error('trap')
}
const SLUG = 'must be 1 to 100 of a-z, 0-9, ".", "_" and "-", starting with a letter or digit'
class SomeWorker extends AsyncPeriodicBackgroundWorkerBase {
  readonly name = 'bad'
  readonly schedule = schedule
  async doWork() {}
}

const workers: BadCall[] = [
  ['add()', (m) => m.add(), 'invalid-worker', 'add: expected a worker, got undefined.'],
  ['add(null)', (m) => m.add(null), 'invalid-worker', 'add: expected a worker, got null.'],
  ['add of a text', (m) => m.add('digest'), 'invalid-worker', 'add: expected a worker, got "digest".'],
  ['add of a symbol', (m) => m.add(Symbol('w')), 'invalid-worker', 'add: expected a worker, got Symbol(w).'],
  ['add of a bigint', (m) => m.add(1n), 'invalid-worker', 'add: expected a worker, got 1n.'],
  [
    'add of a class',
    (m) => m.add(SomeWorker),
    'invalid-worker',
    'add: expected a worker, got a function. It is a class or function: pass an instance, as in new MyWorker().',
  ],
  ['add of a list', (m) => m.add([]), 'invalid-worker', "add: a worker's name must be given."],
  ['add of a promise', (m) => m.add(Promise.resolve()), 'invalid-worker', "add: a worker's name must be given."],
  ['no name', add({ name: undefined }), 'invalid-worker', "add: a worker's name must be given."],
  ['an empty name', add({ name: '' }), 'invalid-worker', `add: a worker's name ${SLUG}; got "".`],
  ['capitals', add({ name: 'Digest' }), 'invalid-worker', `add: a worker's name ${SLUG}; got "Digest".`],
  ['a space', add({ name: 'a b' }), 'invalid-worker', `add: a worker's name ${SLUG}; got "a b".`],
  ['a colon', add({ name: 'a:b' }), 'invalid-worker', `add: a worker's name ${SLUG}; got "a:b".`],
  ['a line break', add({ name: 'a\n' }), 'invalid-worker', `add: a worker's name ${SLUG}; got "a\\n".`],
  ['a leading dash', add({ name: '-a' }), 'invalid-worker', `add: a worker's name ${SLUG}; got "-a".`],
  ['an umlaut', add({ name: 'grüße' }), 'invalid-worker', `add: a worker's name ${SLUG}; got "grüße".`],
  [
    '101 characters',
    add({ name: 'a'.repeat(101) }),
    'invalid-worker',
    /^add: a worker's name must be 1 to 100 of .*; got "a{60}…"\.$/,
  ],
  [
    '__proto__ as a name',
    add({ name: '__proto__' }),
    'invalid-worker',
    `add: a worker's name ${SLUG}; got "__proto__".`,
  ],
  ['a number as a name', add({ name: 5 }), 'invalid-worker', `add: a worker's name ${SLUG}; got 5.`],
  ['a symbol as a name', add({ name: Symbol('a') }), 'invalid-worker', `add: a worker's name ${SLUG}; got Symbol(a).`],
  [
    'a String object as a name',
    add({ name: new String('a') }),
    'invalid-worker',
    `add: a worker's name ${SLUG}; got an object.`,
  ],
  [
    'a name that throws',
    (m) => m.add(thrower('name')),
    'invalid-worker',
    'add: a property of the worker throws when it is read.',
  ],
  [
    'a schedule that throws',
    (m) => m.add(thrower('schedule', parts())),
    'invalid-worker',
    'add: a property of the worker throws when it is read.',
  ],
  [
    'a proxy that throws',
    (m) => m.add(new Proxy({}, { get: trap })),
    'invalid-worker',
    'add: a property of the worker throws when it is read.',
  ],
  [
    'a Proxy of a worker',
    (m) => m.add(new Proxy(new SomeWorker(), {})),
    'invalid-worker',
    'add: the worker can not take its logger. Pass the worker itself, not a Proxy of it.',
  ],
  [
    'no start',
    add({ start: undefined }),
    'invalid-worker',
    'Worker "bad": start() is missing. Extend BackgroundWorkerBase.',
  ],
  [
    'a stop that is no function',
    add({ stop: true }),
    'invalid-worker',
    'Worker "bad": stop() is missing. Extend BackgroundWorkerBase.',
  ],
  [
    'a schedule without doWork',
    add({ doWork: undefined }),
    'invalid-worker',
    'Worker "bad": has a schedule but no doWork().',
  ],
  [
    'doWork that is no function',
    add({ doWork: 'work' }),
    'invalid-worker',
    'Worker "bad": has a schedule but no doWork().',
  ],
  [
    'a name that is taken',
    add({ name: 'good' }),
    'duplicate-worker',
    'Worker "good" is already added. Give each worker its own name.',
  ],
]

const badSchedule = (value: unknown) => add({ schedule: value })
const cronOf = (expression: unknown, timeZone: unknown = 'UTC') => badSchedule({ kind: 'cron', expression, timeZone })
const everyOf = (periodMs: unknown, offsetMs?: unknown) => badSchedule({ kind: 'every', periodMs, offsetMs })
const schedules: BadCall[] = [
  [
    'doWork without a schedule',
    badSchedule(undefined),
    'invalid-schedule',
    'Worker "bad": expected a schedule, got undefined. Make one with every() or cron().',
  ],
  [
    'a schedule that is a text',
    badSchedule('10m'),
    'invalid-schedule',
    'Worker "bad": expected a schedule, got "10m". Make one with every() or cron().',
  ],
  [
    'a schedule that is a function',
    badSchedule(every),
    'invalid-schedule',
    'Worker "bad": expected a schedule, got a function. Make one with every() or cron().',
  ],
  [
    'an empty schedule',
    badSchedule({}),
    'invalid-schedule',
    'Worker "bad": a schedule of kind undefined is not known. Make one with every() or cron().',
  ],
  [
    'kind __proto__',
    badSchedule({ kind: '__proto__' }),
    'invalid-schedule',
    'Worker "bad": a schedule of kind "__proto__" is not known. Make one with every() or cron().',
  ],
  ['a period of 0', everyOf(0), 'invalid-schedule', 'Worker "bad": the period of 0 ms is below the smallest, 1 ms.'],
  [
    'a negative period',
    everyOf(-60_000),
    'invalid-schedule',
    'Worker "bad": the period of -60000 ms is below the smallest, 1 ms.',
  ],
  [
    'a period of NaN',
    everyOf(Number.NaN),
    'invalid-schedule',
    'Worker "bad": the period must be a number of ms, got NaN.',
  ],
  [
    'an endless period',
    everyOf(Number.POSITIVE_INFINITY),
    'invalid-schedule',
    'Worker "bad": the period of Infinity ms is above the longest, 3,650 days.',
  ],
  [
    'a period above 3,650 days',
    everyOf(315_360_000_001),
    'invalid-schedule',
    'Worker "bad": the period of 315360000001 ms is above the longest, 3,650 days.',
  ],
  [
    'half a millisecond',
    everyOf(1.5),
    'invalid-schedule',
    'Worker "bad": the period of 1.5 ms is not a whole number of ms.',
  ],
  [
    'a period that is a text',
    everyOf('10m'),
    'invalid-schedule',
    'Worker "bad": the period must be a number of ms, got "10m".',
  ],
  [
    'a period that is a bigint',
    everyOf(1_000n),
    'invalid-schedule',
    'Worker "bad": the period must be a number of ms, got 1000n.',
  ],
  [
    'a negative offset',
    everyOf(1_000, -1),
    'invalid-schedule',
    'Worker "bad": the offset of -1 ms must be 0 or more and below the period of 1000 ms.',
  ],
  [
    'an offset as long as the period',
    everyOf(1_000, 1_000),
    'invalid-schedule',
    'Worker "bad": the offset of 1000 ms must be 0 or more and below the period of 1000 ms.',
  ],
  [
    'an offset of null',
    everyOf(1_000, null),
    'invalid-schedule',
    'Worker "bad": the offset must be a whole number of ms, got null.',
  ],
  [
    'a key of another kind',
    badSchedule({ kind: 'every', periodMs: 5, timeZone: 'UTC' }),
    'invalid-schedule',
    'Worker "bad": unknown option "timeZone". Known are: kind, periodMs, offsetMs.',
  ],
  [
    'an own key __proto__',
    badSchedule(JSON.parse('{"kind":"every","periodMs":5,"__proto__":{}}')),
    'invalid-schedule',
    'Worker "bad": unknown option "__proto__". Known are: kind, periodMs, offsetMs.',
  ],
  [
    'a period that throws',
    badSchedule(thrower('periodMs', { kind: 'every' })),
    'invalid-schedule',
    'Worker "bad": "periodMs" throws when it is read.',
  ],
  [
    'a schedule proxy that throws',
    badSchedule(new Proxy({}, { get: trap, ownKeys: trap })),
    'invalid-schedule',
    'Worker "bad": a schedule of kind undefined is not known. Make one with every() or cron().',
  ],
  [
    'four cron fields',
    cronOf('* * * *'),
    'invalid-schedule',
    'Worker "bad": "* * * *" has 4 fields; write 5 (minute hour day month weekday) or 6 (second first).',
  ],
  [
    'a year field',
    cronOf('0 0 0 1 1 * 2030'),
    'invalid-schedule',
    /^Worker "bad": "0 0 0 1 1 \* 2030" has 7 fields; write 5/,
  ],
  [
    '@reboot',
    cronOf('@reboot'),
    'invalid-schedule',
    /^Worker "bad": "@reboot" is not a known nickname\. Known are: @yearly/,
  ],
  [
    '30 February',
    cronOf('0 0 30 2 *'),
    'invalid-schedule',
    'Worker "bad": "0 0 30 2 *" never fires: no such date exists.',
  ],
  ['minute 60', cronOf('60 * * * *'), 'invalid-schedule', /^Worker "bad": "60 \* \* \* \*" can not be read: /],
  [
    'a cron that is a number',
    cronOf(5),
    'invalid-schedule',
    'Worker "bad": "expression" must be a text of 1 to 1,000 characters, got 5.',
  ],
  [
    'a very long cron',
    cronOf('*'.repeat(1_001)),
    'invalid-schedule',
    /^Worker "bad": "expression" must be a text of 1 to 1,000 characters, got "\*{60}…"\.$/,
  ],
  [
    'an unknown zone',
    cronOf('@daily', 'Mars/Base'),
    'invalid-schedule',
    `Worker "bad": the time zone "Mars/Base" is not known. Use an IANA name such as 'UTC' or 'Europe/Berlin'.`,
  ],
  [
    'an offset as a zone',
    cronOf('@daily', '+02:00'),
    'invalid-schedule',
    /^Worker "bad": the time zone "\+02:00" is an offset\. Use an IANA name/,
  ],
  [
    'a zone of null',
    cronOf('@daily', null),
    'invalid-schedule',
    'Worker "bad": "timeZone" must be a text of 1 to 1,000 characters, got null.',
  ],
]

const policy = (value: unknown) => add({ policy: value })
const policies: BadCall[] = [
  ['a policy of null', policy(null), 'invalid-options', 'Worker "bad": policy: expected an options object, got null.'],
  [
    'a policy that is a list',
    policy([]),
    'invalid-options',
    'Worker "bad": policy: expected an options object, got an array.',
  ],
  [
    'a policy that is a text',
    policy('retry'),
    'invalid-options',
    'Worker "bad": policy: expected an options object, got "retry".',
  ],
  [
    'an unknown key',
    policy({ timeout: 5 }),
    'invalid-options',
    /^Worker "bad": policy: unknown option "timeout"\. Known are: runOnStart, misfire/,
  ],
  [
    'a symbol as a key',
    policy({ [Symbol('k')]: 5 }),
    'invalid-options',
    /^Worker "bad": policy: unknown option "Symbol\(k\)"\./,
  ],
  [
    'an own key __proto__',
    policy(JSON.parse('{"__proto__":{"jitterMs":1}}')),
    'invalid-options',
    /^Worker "bad": policy: unknown option "__proto__"\./,
  ],
  [
    'the key constructor',
    policy({ constructor: 1 }),
    'invalid-options',
    /^Worker "bad": policy: unknown option "constructor"\./,
  ],
  [
    'a timeout of 0',
    policy({ timeoutMs: 0 }),
    'invalid-options',
    'Worker "bad": policy: "timeoutMs" must be a whole number of ms from 1 to 315360000000, got 0.',
  ],
  [
    'a timeout that is a text',
    policy({ timeoutMs: '5s' }),
    'invalid-options',
    'Worker "bad": policy: "timeoutMs" must be a whole number of ms from 1 to 315360000000, got "5s".',
  ],
  [
    'a jitter that is a bigint',
    policy({ jitterMs: 5n }),
    'invalid-options',
    'Worker "bad": policy: "jitterMs" must be a whole number of ms from 0 to 315360000000, got 5n.',
  ],
  [
    'another misfire',
    policy({ misfire: 'all' }),
    'invalid-options',
    `Worker "bad": policy: "misfire" must be 'run-once' or 'skip', got "all".`,
  ],
  [
    'a retry without backoffMs',
    policy({ retry: { attempts: 2 } }),
    'invalid-options',
    'Worker "bad": policy: "retry" needs "attempts" and "backoffMs".',
  ],
  [
    'a retry of null',
    policy({ retry: null }),
    'invalid-options',
    'Worker "bad": policy: "retry" is not a retry policy: expected an options object, got null.',
  ],
  [
    'a shrinking factor',
    policy({ retry: { attempts: 2, backoffMs: 1, factor: 0 } }),
    'invalid-options',
    'Worker "bad": policy: "retry" is not a retry policy: "factor" must be a number from 1 to 100, got 0.',
  ],
  [
    'a policy key that throws',
    policy(thrower('jitterMs')),
    'invalid-options',
    'Worker "bad": policy: "jitterMs" throws when it is read.',
  ],
  [
    'a policy proxy that throws',
    policy(new Proxy({}, { ownKeys: trap })),
    'invalid-options',
    'Worker "bad": policy: the options object throws when it is read.',
  ],
  [
    'an inherited bad value',
    policy(Object.create({ keepRuns: 0 })),
    'invalid-options',
    'Worker "bad": policy: "keepRuns" must be a whole number from 1 to 10000, got 0.',
  ],
]

const calls: BadCall[] = [
  ['trigger()', (m) => m.trigger(), 'invalid-options', "trigger: the worker's name must be a text, got undefined."],
  [
    'trigger of a worker object',
    (m) => m.trigger(parts()),
    'invalid-options',
    "trigger: the worker's name must be a text, got an object.",
  ],
  [
    'trigger of nobody',
    (m) => m.trigger('nobody'),
    'unknown-worker',
    'There is no worker "nobody". Add it first, or check its name in list().',
  ],
  [
    'trigger of __proto__',
    (m) => m.trigger('__proto__'),
    'unknown-worker',
    'There is no worker "__proto__". Add it first, or check its name in list().',
  ],
  [
    'pause of constructor',
    (m) => m.pause('constructor'),
    'unknown-worker',
    'There is no worker "constructor". Add it first, or check its name in list().',
  ],
  [
    'resume of toString',
    (m) => m.resume('toString'),
    'unknown-worker',
    'There is no worker "toString". Add it first, or check its name in list().',
  ],
  [
    'reschedule of nobody',
    (m) => m.reschedule('nobody', schedule),
    'unknown-worker',
    'There is no worker "nobody". Add it first, or check its name in list().',
  ],
  [
    'runs of nobody',
    (m) => m.runs('nobody'),
    'unknown-worker',
    'There is no worker "nobody". Add it first, or check its name in list().',
  ],
  [
    'trigger of a plain worker',
    (m) => m.trigger('plain'),
    'not-periodic',
    'Worker "plain" has no schedule, so trigger does not apply to it. Use a periodic worker.',
  ],
  [
    'pause of a plain worker',
    (m) => m.pause('plain'),
    'not-periodic',
    'Worker "plain" has no schedule, so pause does not apply to it. Use a periodic worker.',
  ],
  [
    'trigger by a number',
    (m) => m.trigger('good', { by: 7 }),
    'invalid-options',
    'trigger: "by" must be a text of 1 to 1,000 characters, got 7.',
  ],
  [
    'trigger with null',
    (m) => m.trigger('good', null),
    'invalid-options',
    'trigger: expected an options object, got null.',
  ],
  [
    'trigger with an unknown key',
    (m) => m.trigger('good', { note: 'x' }),
    'invalid-options',
    'trigger: unknown option "note". Known are: by.',
  ],
  [
    'trigger with a key that throws',
    (m) => m.trigger('good', thrower('by')),
    'invalid-options',
    'trigger: "by" throws when it is read.',
  ],
  [
    'pause with an empty note',
    (m) => m.pause('good', { note: '' }),
    'invalid-options',
    'pause: "note" must be a text of 1 to 1,000 characters, got "".',
  ],
  [
    'pause with a text',
    (m) => m.pause('good', 'maintenance'),
    'invalid-options',
    'pause: expected an options object, got "maintenance".',
  ],
  [
    'pause with an own __proto__',
    (m) => m.pause('good', JSON.parse('{"__proto__":1}')),
    'invalid-options',
    'pause: unknown option "__proto__". Known are: by, note.',
  ],
  [
    'resume by a symbol',
    (m) => m.resume('good', { by: Symbol('x') }),
    'invalid-options',
    'resume: "by" must be a text of 1 to 1,000 characters, got Symbol(x).',
  ],
  [
    'reschedule to a text',
    (m) => m.reschedule('good', '5m'),
    'invalid-schedule',
    'Worker "good": expected a schedule, got "5m". Make one with every() or cron().',
  ],
  [
    'reschedule to null',
    (m) => m.reschedule('good', null),
    'invalid-schedule',
    'Worker "good": expected a schedule, got null. Make one with every() or cron().',
  ],
  [
    'reschedule to a period of 0',
    (m) => m.reschedule('good', { kind: 'every', periodMs: 0 }),
    'invalid-schedule',
    'Worker "good": the period of 0 ms is below the smallest, 1 ms.',
  ],
  [
    'reschedule by nobody',
    (m) => m.reschedule('good', schedule, { by: '' }),
    'invalid-options',
    'reschedule: "by" must be a text of 1 to 1,000 characters, got "".',
  ],
  ['remove of a number', (m) => m.remove(5), 'invalid-options', "remove: the worker's name must be a text, got 5."],
  [
    'remove with an unknown key',
    (m) => m.remove('good', { force: true }),
    'invalid-options',
    'remove: unknown option "force". Known are: by.',
  ],
  ['get of null', (m) => m.get(null), 'invalid-options', "get: the worker's name must be a text, got null."],
  [
    'cancel of a record',
    (m) => m.cancel({ runId: 'x' }),
    'invalid-options',
    'cancel: the run id must be a text, got an object.',
  ],
  ['cancel()', (m) => m.cancel(), 'invalid-options', 'cancel: the run id must be a text, got undefined.'],
  [
    'cancel with an unknown key',
    (m) => m.cancel('x', { reason: 'y' }),
    'invalid-options',
    'cancel: unknown option "reason". Known are: by.',
  ],
  [
    'runs with limit 0',
    (m) => m.runs('good', { limit: 0 }),
    'invalid-options',
    'runs: "limit" must be a whole number from 1 to 1000000, got 0.',
  ],
  [
    'runs with limit 1.5',
    (m) => m.runs('good', { limit: 1.5 }),
    'invalid-options',
    'runs: "limit" must be a whole number from 1 to 1000000, got 1.5.',
  ],
  [
    'runs with a text as limit',
    (m) => m.runs('good', { limit: '5' }),
    'invalid-options',
    'runs: "limit" must be a whole number from 1 to 1000000, got "5".',
  ],
  ['runs with a number', (m) => m.runs('good', 5), 'invalid-options', 'runs: expected an options object, got 5.'],
  [
    'stop with a negative time',
    (m) => m.stop({ timeoutMs: -1 }),
    'invalid-options',
    'stop: "timeoutMs" must be a whole number of ms from 0 to 315360000000, got -1.',
  ],
  [
    'stop with NaN',
    (m) => m.stop({ timeoutMs: Number.NaN }),
    'invalid-options',
    'stop: "timeoutMs" must be a whole number of ms from 0 to 315360000000, got NaN.',
  ],
  ['stop with a number', (m) => m.stop(5_000), 'invalid-options', 'stop: expected an options object, got 5000.'],
]

describe('a bad call', () => {
  let manager: DefaultBackgroundWorkerManager
  let clock: ManualClock
  beforeEach(async () => {
    clock = new ManualClock()
    manager = new DefaultBackgroundWorkerManager({ clock })
    await manager.add(periodicWorker({ name: 'good', schedule, doWork() {} }))
    await manager.add({ name: 'plain', async start() {}, async stop() {} })
    await manager.start()
  })
  afterEach(() => manager.stop())

  it.each([...workers, ...schedules, ...policies, ...calls])(
    'is refused and changes nothing: %s',
    async (_title, call, code, message) => {
      const before = await manager.list()
      const events: unknown[] = []
      for (const event of [
        'worker-added',
        'worker-removed',
        'worker-paused',
        'worker-rescheduled',
        'run-started',
      ] as const) {
        manager.on(event, (payload) => events.push(payload))
      }
      // It rejects and does not throw, so that one catch is enough.
      const error = await (call(manager as unknown as Manager) as Promise<unknown>).then(
        () => undefined,
        (reason: unknown) => reason,
      )
      expect(error).toBeInstanceOf(BackgroundWorkerError)
      const { code: foundCode, message: foundMessage } = error as BackgroundWorkerError
      expect(foundCode).toBe(code)
      if (typeof message === 'string') expect(foundMessage).toBe(message)
      else expect(foundMessage).toMatch(message)
      expect(await manager.list()).toEqual(before)
      expect(await manager.get('bad')).toBeUndefined()
      expect(events).toEqual([])
      expect(manager.state).toBe('running')
      expect(clock.timerCount).toBe(1)
      // The name is still free, and what was refused leaves nothing that stands in the way.
      await manager.add(periodicWorker({ name: 'bad', schedule, doWork() {} }))
      expect((await manager.list()).map(({ name }) => name)).toEqual(['good', 'plain', 'bad'])
    },
  )
})

describe('a manager with bad options', () => {
  it.each<[title: string, options: unknown, message: string | RegExp]>([
    ['null', null, 'DefaultBackgroundWorkerManager: expected an options object, got null.'],
    ['a text', 'app', 'DefaultBackgroundWorkerManager: expected an options object, got "app".'],
    [
      'an unknown key',
      { stopTimeout: 5 },
      /^DefaultBackgroundWorkerManager: unknown option "stopTimeout"\. Known are: isEnabled, applicationName/,
    ],
    [
      'an own key __proto__',
      JSON.parse('{"__proto__":{"isEnabled":false}}'),
      /^DefaultBackgroundWorkerManager: unknown option "__proto__"/,
    ],
    [
      'a text for isEnabled',
      { isEnabled: 'false' },
      'DefaultBackgroundWorkerManager: "isEnabled" must be true or false, got "false".',
    ],
    [
      'capitals and a space',
      { applicationName: 'My App' },
      `DefaultBackgroundWorkerManager: "applicationName" ${SLUG}; got "My App".`,
    ],
    [
      'an empty logger',
      { logger: {} },
      'DefaultBackgroundWorkerManager: "logger" must have the method debug(), info(), warn(), error().',
    ],
    [
      'a logger of null',
      { logger: null },
      'DefaultBackgroundWorkerManager: "logger" must have the method debug(), info(), warn(), error().',
    ],
    [
      'a function for scopeFactory',
      { scopeFactory: () => {} },
      'DefaultBackgroundWorkerManager: "scopeFactory" must have the method createScope().',
    ],
    [
      'no time to start',
      { startTimeoutMs: 0 },
      'DefaultBackgroundWorkerManager: "startTimeoutMs" must be a whole number of ms from 1 to 315360000000, got 0.',
    ],
    [
      'a negative time to stop',
      { stopTimeoutMs: -1 },
      'DefaultBackgroundWorkerManager: "stopTimeoutMs" must be a whole number of ms from 0 to 315360000000, got -1.',
    ],
    [
      'an unknown key in defaultPolicy',
      { defaultPolicy: { jitter: 5 } },
      /^defaultPolicy: unknown option "jitter"\. Known are: runOnStart/,
    ],
    [
      'a clock that only tells the time',
      { clock: { now: Date.now } },
      'DefaultBackgroundWorkerManager: "clock" must have the method monotonicNow(), setTimer(), clearTimer().',
    ],
    [
      'an empty distributedLock',
      { distributedLock: {} },
      'DefaultBackgroundWorkerManager: "distributedLock" must have the method acquire().',
    ],
    ['a key that throws', thrower('logger'), 'DefaultBackgroundWorkerManager: "logger" throws when it is read.'],
  ])('is not made: %s', (_title, options, message) => {
    const create = () => new DefaultBackgroundWorkerManager(options as never)
    expect(create).toThrow(BackgroundWorkerError)
    expect(create).toThrow(message)
  })
})

describe('a worker named constructor', () => {
  it('works with every call', async () => {
    const clock = new ManualClock()
    const manager = new DefaultBackgroundWorkerManager({ clock })
    let runs = 0
    await manager.add(periodicWorker({ name: 'constructor', schedule, doWork: () => void runs++ }))
    await manager.start()
    const runId = await manager.trigger('constructor')
    await clock.settle()
    expect(runs).toBe(1)
    expect((await manager.runs('constructor')).map((record) => record.runId)).toEqual([runId])
    await manager.pause('constructor', { note: 'x' })
    expect((await manager.get('constructor'))?.state).toBe('paused')
    await manager.resume('constructor')
    await manager.reschedule('constructor', every('1m'))
    await clock.advance(60_000)
    expect(runs).toBe(2)
    expect(await manager.cancel('constructor')).toBe(false)
    expect(await manager.remove('constructor')).toBe(true)
    expect(await manager.list()).toEqual([])
    await manager.stop()
  })
})

describe('a call about nothing', () => {
  it('says so without an error where that is an answer', async () => {
    const manager = new DefaultBackgroundWorkerManager({ clock: new ManualClock() })
    expect(await manager.get('nobody')).toBeUndefined()
    expect(await manager.get('__proto__')).toBeUndefined()
    expect(await manager.remove('__proto__')).toBe(false)
    expect(await manager.cancel('__proto__')).toBe(false)
    expect(await manager.stop()).toEqual({ finished: 0, abandoned: [] })
  })
})
