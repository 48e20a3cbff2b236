import { describe, expect, it } from 'vitest'
import { InvalidOptionsError } from './errors.ts'
import { type PeriodicWorkerPolicy, checkDeclaredPolicy, checkPolicy, fillPolicy } from './policy.ts'

const DEFAULTS = {
  runOnStart: false,
  misfire: 'run-once',
  jitterMs: 0,
  keepRuns: 100,
  onCrash: 'next-slot',
  queue: 'default',
}

describe('fillPolicy', () => {
  it('gives the defaults, one frozen object for all workers that set nothing', () => {
    expect(fillPolicy({})).toEqual(DEFAULTS)
    expect(fillPolicy({})).toBe(fillPolicy({}))
    expect(Object.isFrozen(fillPolicy({}))).toBe(true)
  })

  it("takes the worker's own field, then the manager's, then the default", () => {
    const filled = fillPolicy({ jitterMs: 5, keepRuns: undefined }, fillPolicy({ jitterMs: 9, keepRuns: 7 }))
    expect(filled).toEqual({ ...DEFAULTS, jitterMs: 5, keepRuns: 7 })
    expect(Object.isFrozen(filled)).toBe(true)
  })

  it('fills a retry policy as a whole and freezes it', () => {
    const { retry } = fillPolicy(
      { retry: { attempts: 3, backoffMs: 10 } },
      fillPolicy({ retry: { attempts: 9, backoffMs: 1, factor: 2 } }),
    )
    expect(retry).toEqual({ attempts: 3, backoffMs: 10, factor: 1, maxBackoffMs: 3_600_000 })
    expect(Object.isFrozen(retry)).toBe(true)
  })

  it('does not cut a first wait of more than an hour', () => {
    const { retry } = fillPolicy({ retry: { attempts: 3, backoffMs: 14_400_000 } })
    expect(retry?.maxBackoffMs).toBe(14_400_000)
  })

  it('reads what an instance of a settings class inherits or has a getter for', () => {
    class Settings {
      readonly keepRuns = 7
      readonly #jitterMs = 5
      get jitterMs(): number {
        return this.#jitterMs
      }
      get retry() {
        return new RetrySettings()
      }
    }
    class RetrySettings {
      get attempts(): number {
        return 3
      }
      get backoffMs(): number {
        return 10
      }
    }
    const expected = {
      ...DEFAULTS,
      keepRuns: 7,
      jitterMs: 5,
      retry: { attempts: 3, backoffMs: 10, factor: 1, maxBackoffMs: 3_600_000 },
    }
    expect(fillPolicy(new Settings())).toEqual(expected)
    expect(fillPolicy({}, fillPolicy(new Settings()))).toEqual(expected)
  })

  it('leaves what it was given as it is', () => {
    const own = Object.freeze({ retry: Object.freeze({ attempts: 2, backoffMs: 1 }) })
    fillPolicy(own, fillPolicy({ jitterMs: 1 }))
    expect(own).toEqual({ retry: { attempts: 2, backoffMs: 1 } })
  })

  it('takes undefined for none, and leaves fields out that have no default', () => {
    const none = {
      runOnStart: undefined,
      misfire: undefined,
      catchUpWindowMs: undefined,
      jitterMs: undefined,
      timeoutMs: undefined,
      retry: undefined,
      keepRuns: undefined,
      onCrash: undefined,
      queue: undefined,
    } satisfies Record<keyof PeriodicWorkerPolicy, undefined>
    checkDeclaredPolicy('policy', none)
    expect(fillPolicy(none)).toStrictEqual(fillPolicy({}))
    const retry = { attempts: 2, backoffMs: 10, factor: undefined, maxBackoffMs: undefined }
    checkDeclaredPolicy('policy', { retry })
    expect(fillPolicy({ retry }).retry).toStrictEqual(fillPolicy({ retry: { attempts: 2, backoffMs: 10 } }).retry)
  })
})

describe('checkPolicy', () => {
  it.each([
    {},
    { runOnStart: true, misfire: 'skip', catchUpWindowMs: 0, jitterMs: 0, timeoutMs: 1, keepRuns: 1 },
    { retry: { attempts: 1, backoffMs: 0, factor: 1.5, maxBackoffMs: 0 }, onCrash: 'recover', queue: 'mail.high_1' },
    { timeoutMs: 3_650 * 86_400_000, keepRuns: 10_000 },
    { timeoutMs: undefined },
  ])('takes %j', (policy) => {
    expect(() => checkPolicy('policy', policy)).not.toThrow()
  })

  it.each<[unknown, RegExp]>([
    [null, /^policy: expected an options object, got null\.$/],
    [[], /^policy: expected an options object, got an array\.$/],
    [{ runOnStart: 1 }, /^policy: "runOnStart" must be true or false, got 1\.$/],
    [{ misfire: 'run' }, /^policy: "misfire" must be 'run-once' or 'skip', got "run"\.$/],
    [
      { catchUpWindowMs: -1 },
      /^policy: "catchUpWindowMs" must be a whole number of ms from 0 to 315360000000, got -1\.$/,
    ],
    [{ jitterMs: 1.5 }, /^policy: "jitterMs" must be a whole number of ms from 0 to/],
    [{ timeoutMs: 0 }, /^policy: "timeoutMs" must be a whole number of ms from 1 to 315360000000, got 0\.$/],
    [{ timeoutMs: Number.NaN }, /^policy: "timeoutMs" must be a whole number of ms .*, got NaN\.$/],
    [{ timeoutMs: '5s' }, /^policy: "timeoutMs" must be a whole number of ms .*, got "5s"\.$/],
    [{ keepRuns: 0 }, /^policy: "keepRuns" must be a whole number from 1 to 10000, got 0\.$/],
    [{ onCrash: true }, /^policy: "onCrash" must be 'next-slot' or 'recover', got true\.$/],
    [{ queue: 'Mail' }, /^policy: "queue" must be 1 to 100 of a-z, 0-9, .*; got "Mail"\.$/],
    [{ retry: 3 }, /^policy: "retry" is not a retry policy: expected an options object, got 3\.$/],
    [{ retry: {} }, /^policy: "retry" needs "attempts" and "backoffMs"\.$/],
    [{ retry: { attempts: 2 } }, /^policy: "retry" needs "attempts" and "backoffMs"\.$/],
    [
      { retry: { attempts: 0, backoffMs: 1 } },
      /"retry" is not a retry policy: "attempts" must be a whole number from 1/,
    ],
    [{ retry: { attempts: 2, backoffMs: 1, factor: 0.5 } }, /"factor" must be a number from 1 to 100, got 0\.5\.$/],
    [{ retry: { attempts: 2, backoffMs: 1, factor: Number.NaN } }, /"factor" must be a number from 1 to 100, got NaN/],
    [
      { retry: { attempts: 2, backoffMs: 1, delay: 1 } },
      /unknown option "delay"\. Known are: attempts, backoffMs, factor/,
    ],
    [{ timeout: 5 }, /^policy: unknown option "timeout"\. Known are: runOnStart, misfire, catchUpWindowMs, jitterMs/],
    [{ [Symbol('jitterMs')]: 5 }, /^policy: unknown option "Symbol\(jitterMs\)"/],
  ])('refuses %j', (policy, message) => {
    expect(() => checkPolicy('policy', policy)).toThrow(InvalidOptionsError)
    expect(() => checkPolicy('policy', policy)).toThrow(message)
  })

  it('checks inherited values too, which would be used like own ones', () => {
    class Settings {
      get stopIt(): number {
        return 1
      }
      get jitterMs(): number {
        return -5
      }
    }
    expect(() => checkPolicy('policy', new Settings())).toThrow(/"jitterMs" must be a whole number/)
  })
})

describe('checkDeclaredPolicy', () => {
  it.each([{}, { retry: { attempts: 2, backoffMs: 5 } }, { retry: { attempts: 2, backoffMs: 5, maxBackoffMs: 5 } }])(
    'takes %j',
    (policy) => {
      expect(() => checkDeclaredPolicy('policy', policy)).not.toThrow()
    },
  )

  it('refuses what checkPolicy refuses', () => {
    expect(() => checkDeclaredPolicy('policy', { timeoutMs: 0 })).toThrow(/^policy: "timeoutMs" must be/)
  })

  it('refuses a longest wait below the first, which an older build may have stored', () => {
    const policy = { retry: { attempts: 2, backoffMs: 5_000, maxBackoffMs: 4_999 } }
    expect(() => checkPolicy('stored policy', policy)).not.toThrow()
    expect(() => checkDeclaredPolicy('policy', policy)).toThrow(InvalidOptionsError)
    expect(() => checkDeclaredPolicy('policy', policy)).toThrow(
      'policy: "retry" has a maxBackoffMs of 4999, below its backoffMs of 5000, which is the first wait. Raise maxBackoffMs, or leave it out.',
    )
  })
})
