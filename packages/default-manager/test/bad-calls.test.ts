import { every, periodicWorker } from '@background-workers/abstractions'
import { ManualClock } from '@background-workers/abstractions/testing'
import { describe, expect, it } from 'vitest'
import { DefaultBackgroundWorkerManager } from '../src/default-background-worker-manager.ts'
import { type BadCall, parts, refuses, schedule, thrower } from './fixtures/bad-call.ts'

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
  it.each(calls)('is refused and changes nothing: %s', refuses)
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
