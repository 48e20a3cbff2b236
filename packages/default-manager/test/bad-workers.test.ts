import { AsyncPeriodicBackgroundWorkerBase } from '@background-workers/abstractions'
import { describe, it } from 'vitest'
import { type BadCall, SLUG, add, parts, refuses, schedule, thrower, trap } from './fixtures/bad-call.ts'

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

describe('a bad worker', () => {
  it.each(workers)('is refused and changes nothing: %s', refuses)
})
