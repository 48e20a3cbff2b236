import { describe, it } from 'vitest'
import { type BadCall, add, refuses, thrower, trap } from './fixtures/bad-call.ts'

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

describe('a bad policy', () => {
  it.each(policies)('is refused and changes nothing: %s', refuses)
})
