import type { Check } from '../checks.ts'

/** The two functions of a test runner that a suite needs; those of vitest, jest and node:test fit. */
export interface ContractRunner {
  describe(title: string, body: () => void): unknown
  it(title: string, body: () => Promise<void>): unknown
}

/** Tests that a manager can not pass. It must have tests of its own for what it does instead. */
export interface ContractDeviation {
  /** Why the promise can not be kept. */
  readonly reason: string
  /** The exact titles of the tests that are left out. */
  readonly tests: readonly string[]
}

/** Deviations that have their parts: `collectContract` looks at what they say. */
export const areDeviations: Check = (value) =>
  Array.isArray(value) && value.every(isDeviation)
    ? undefined
    : 'must be an array of objects, each with a reason (a text) and tests (an array of titles).'

function isDeviation(value: Partial<ContractDeviation> | null | undefined): boolean {
  return (
    typeof value?.reason === 'string' &&
    Array.isArray(value.tests) &&
    value.tests.every((title) => typeof title === 'string')
  )
}

/** The tests of one promise. A title is a fact in the present tense and is there once in its suite. */
export interface ContractGroup<Subject> {
  /** The promise, with its number. */
  readonly title: string
  readonly tests: Readonly<Record<string, (subject: Subject) => Promise<void>>>
}

/** What every test gets, and what happens after it. */
export interface ContractSubject {
  /** Called after each test, passed or failed. */
  end(): Promise<void>
}

/**
 * Hands the tests of a suite to a runner, each with a subject of its own.
 *
 * @throws Error for a deviation without a reason, or one that names a test that does not exist.
 */
export function collectContract<Subject extends ContractSubject>(suite: {
  readonly groups: readonly ContractGroup<Subject>[]
  readonly runner: ContractRunner
  readonly deviations: readonly ContractDeviation[]
  readonly createSubject: () => Subject
}): void {
  const leftOut = titlesOf(suite.deviations)
  checkTitles(suite.groups, leftOut)
  for (const { title, tests } of suite.groups) {
    const kept = Object.entries(tests).filter(([testTitle]) => !leftOut.has(testTitle))
    if (kept.length === 0) continue
    suite.runner.describe(title, () => {
      for (const [testTitle, test] of kept) suite.runner.it(testTitle, () => runTest(test, suite.createSubject()))
    })
  }
}

function titlesOf(deviations: readonly ContractDeviation[]): ReadonlySet<string> {
  for (const { reason, tests } of deviations) {
    if (reason.trim() === '') throw new Error(`A deviation needs a reason: ${tests.join(', ')}.`)
  }
  return new Set(deviations.flatMap(({ tests }) => tests))
}

function checkTitles(groups: readonly ContractGroup<never>[], leftOut: ReadonlySet<string>): void {
  const titles = groups.flatMap(({ tests }) => Object.keys(tests))
  const twice = titles.find((title, index) => titles.indexOf(title) !== index)
  if (twice !== undefined) throw new Error(`Two tests of the contract have the title "${twice}".`)
  for (const title of leftOut) {
    if (!titles.includes(title)) throw new Error(`A deviation names a test that does not exist: "${title}".`)
  }
}

/** What goes wrong after a failed test must not hide why it failed. */
function runTest<Subject extends ContractSubject>(
  test: (subject: Subject) => Promise<void>,
  subject: Subject,
): Promise<void> {
  return callEach([() => test(subject), () => subject.end()])
}

/** Calls each when the one before has settled, whether that failed or not, and then throws the first failure. */
export async function callEach(calls: readonly (() => unknown)[]): Promise<void> {
  const failures: unknown[] = []
  for (const call of calls) {
    try {
      await call()
    } catch (error) {
      failures.push(error)
    }
  }
  if (failures.length > 0) throw failures[0]
}
