import { describe, expect, it } from 'vitest'
import { InvalidOptionsError } from '../errors.ts'
import { type ContractDeviation, type ContractGroup, collectContract } from './contract-suite.ts'
import { managerContract } from './manager-contract.ts'
import { TestApplication } from './manager-contract/test-application.ts'
import { manualClockContract } from './manual-clock-contract.ts'

class Subject {
  readonly ended: Subject[]
  readonly #endFailure: Error | undefined

  constructor(ended: Subject[], endFailure?: Error) {
    this.ended = ended
    this.#endFailure = endFailure
  }

  async end(): Promise<void> {
    this.ended.push(this)
    if (this.#endFailure) throw this.#endFailure
  }
}

/** Collects a suite as a runner does, and gives its tests by group and title. */
function collect(
  groups: readonly ContractGroup<Subject>[],
  { deviations = [], endFailure }: { deviations?: readonly ContractDeviation[]; endFailure?: Error } = {},
) {
  const collected: Record<string, Record<string, () => Promise<void>>> = {}
  const ended: Subject[] = []
  let tests: Record<string, () => Promise<void>> = {}
  const runner = {
    describe(title: string, body: () => void) {
      tests = collected[title] = {}
      body()
    },
    it(title: string, body: () => Promise<void>) {
      tests[title] = body
    },
  }
  collectContract({ groups, runner, deviations, createSubject: () => new Subject(ended, endFailure) })
  return { collected, ended }
}

const passes = async () => {}

const groups: readonly ContractGroup<Subject>[] = [
  { title: 'slots', tests: { 'come once': passes, 'are never early': passes } },
  { title: 'runs', tests: { 'end once': passes } },
]

describe('collectContract', () => {
  it('hands every test to the runner, in its group', () => {
    const { collected } = collect(groups)
    expect(Object.keys(collected)).toEqual(['slots', 'runs'])
    expect(Object.keys(collected.slots ?? {})).toEqual(['come once', 'are never early'])
    expect(Object.keys(collected.runs ?? {})).toEqual(['end once'])
  })

  it('leaves out what a deviation names, and a group of which nothing is left', () => {
    const deviations = [{ reason: 'keeps nothing', tests: ['come once', 'end once'] }]
    const { collected } = collect(groups, { deviations })
    expect(Object.keys(collected)).toEqual(['slots'])
    expect(Object.keys(collected.slots ?? {})).toEqual(['are never early'])
  })

  it.each<[string, ContractDeviation, string]>([
    ['without a reason', { reason: ' ', tests: ['come once'] }, 'A deviation needs a reason: come once.'],
    [
      'of a test that is not there',
      { reason: 'so', tests: ['come twice'] },
      'A deviation names a test that does not exist: "come twice".',
    ],
  ])('refuses a deviation %s', (_what, deviation, message) => {
    expect(() => collect(groups, { deviations: [deviation] })).toThrow(message)
  })

  it('refuses a suite in which two tests have one title', () => {
    const twice = [...groups, { title: 'more', tests: { 'end once': passes } }]
    expect(() => collect(twice)).toThrow('Two tests of the contract have the title "end once".')
  })

  it('gives each test a subject of its own, and ends it, also when the test fails', async () => {
    const seen: Subject[] = []
    const failure = new Error('the promise is broken')
    const tests = {
      sound: async (subject: Subject) => void seen.push(subject),
      broken: async (subject: Subject) => {
        seen.push(subject)
        throw failure
      },
    }
    const { collected, ended } = collect([{ title: 'both', tests }])
    await collected.both?.sound?.()
    await expect(collected.both?.broken?.()).rejects.toBe(failure)
    expect(new Set(seen).size).toBe(2)
    expect(ended).toEqual(seen)
  })

  it('fails a test whose end fails, and does not let that hide why the test itself failed', async () => {
    const [failure, endFailure] = [new Error('the promise is broken'), new Error('a timer is left')]
    const tests = { sound: passes, broken: () => Promise.reject(failure) }
    const { collected } = collect([{ title: 'both', tests }], { endFailure })
    await expect(collected.both?.sound?.()).rejects.toBe(endFailure)
    await expect(collected.both?.broken?.()).rejects.toBe(failure)
  })
})

describe('managerContract', () => {
  const runner = { describe: () => {}, it: () => {} }
  const options = { runner, createManager: () => ({}) as never, shortPeriodMs: 50 }

  it.each([
    [{ createManager: 5 }, 'managerContract: "createManager" must be a function, got 5.'],
    [{ advance: 'fast' }, 'managerContract: "advance" must be a function, got "fast".'],
    [{ shortPeriodMs: 5 }, 'managerContract: "shortPeriodMs" must be a whole number of ms from 20 to 60000, got 5.'],
    [{ minPeriodMs: 1_000 }, 'managerContract: shortPeriodMs is below minPeriodMs.'],
    [{ timeoutMs: 1 }, 'managerContract: unknown option "timeoutMs".'],
    [{ deviations: [{ reason: 'so', tests: ['flies'] }] }, 'A deviation names a test that does not exist: "flies".'],
  ])('refuses %j', (bad, message) => {
    expect(() => managerContract({ ...options, ...(bad as object) })).toThrow(message)
  })

  it.each([[{}], [[null]], [['flies']], [[{ reason: 'so' }]], [[{ tests: [] }]], [[{ reason: 'so', tests: 'flies' }]]])(
    'refuses the deviations %j',
    (deviations) => {
      const call = () => managerContract({ ...options, deviations: deviations as never })
      expect(call).toThrow(InvalidOptionsError)
      expect(call).toThrow('managerContract: "deviations" must be an array of objects, each with a reason')
    },
  )

  it('refuses options of which one is missing', () => {
    expect(() => managerContract({} as never)).toThrow(InvalidOptionsError)
    expect(() => managerContract({} as never)).toThrow(
      'managerContract: runner, createManager, shortPeriodMs must be given.',
    )
    expect(() => managerContract({ ...options, shortPeriodMs: undefined as never })).toThrow(
      'managerContract: shortPeriodMs must be given.',
    )
    expect(() => manualClockContract({} as never)).toThrow('manualClockContract: runner, createManager must be given.')
  })
})

describe('TestApplication', () => {
  it('stops every manager and hands it over, also when one can not be stopped, and fails with that', async () => {
    const failure = new Error('it does not stop')
    const stopped: unknown[] = []
    const cleanedUp: unknown[] = []
    const application = new TestApplication({
      createManager: () => {
        const manager = {
          async stop(): Promise<void> {
            if (stopped.push(manager) === 1) throw failure
          },
        }
        return manager as never
      },
      advance: () => {},
      cleanUp: (manager) => void cleanedUp.push(manager),
      shortPeriodMs: 50,
      minPeriodMs: 1,
    })
    const managers = [await application.create(), await application.create()]
    await expect(application.end()).rejects.toBe(failure)
    expect([stopped, cleanedUp]).toEqual([managers, managers])
  })
})
