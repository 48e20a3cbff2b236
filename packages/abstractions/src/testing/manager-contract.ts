import { checkGiven, checkOptions, hasMethods, isFunction, isWhole } from '../checks.ts'
import { InvalidOptionsError } from '../errors.ts'
import type { IBackgroundWorkerManager } from '../manager.ts'
import type { ManagerOptions } from '../manager-options.ts'
import { type ContractDeviation, type ContractRunner, areDeviations, collectContract } from './contract-suite.ts'
import { aborts } from './manager-contract/aborts.ts'
import { calls } from './manager-contract/calls.ts'
import { failures } from './manager-contract/failures.ts'
import { lateness } from './manager-contract/lateness.ts'
import { oneDecision } from './manager-contract/one-decision.ts'
import { oneRunAtATime } from './manager-contract/one-run-at-a-time.ts'
import { overrides } from './manager-contract/overrides.ts'
import { pause } from './manager-contract/pause.ts'
import { refusals } from './manager-contract/refusals.ts'
import { runOnStart } from './manager-contract/run-on-start.ts'
import { sameWords } from './manager-contract/same-words.ts'
import { crons, intervals } from './manager-contract/schedules.ts'
import { scopes } from './manager-contract/scopes.ts'
import { start } from './manager-contract/start.ts'
import { stop } from './manager-contract/stop.ts'
import { TestApplication } from './manager-contract/test-application.ts'

/** What `managerContract` takes. */
export interface ManagerContractOptions<Manager extends IBackgroundWorkerManager> {
  /** `describe` and `it` of the test runner; `it.concurrent` fits too, tests share nothing. */
  readonly runner: ContractRunner
  /**
   * Makes a manager that has not started, with these options and what else it needs. Each test has an
   * `applicationName` of its own; two managers with the same name are two processes of one application.
   */
  readonly createManager: (options: ManagerOptions) => Manager | Promise<Manager>
  /** How long the period of a worker is that a test waits for, in ms. */
  readonly shortPeriodMs: number
  /** Lets time pass: moves a manual clock, or waits. @default waits */
  readonly advance?: (ms: number) => unknown
  /** The smallest period that the manager takes, in ms. @default 1 */
  readonly minPeriodMs?: number
  /** Called after each test for each manager, which has been stopped: the place to look for what is left behind. */
  readonly cleanUp?: (manager: Manager) => unknown
  /** The tests that the manager can not pass, and why. */
  readonly deviations?: readonly ContractDeviation[]
}

/**
 * The suite that defines a manager: what every manager promises, as tests of which each waits for facts and not for
 * time. It knows no test runner and takes one.
 *
 * @throws InvalidOptionsError; Error for a deviation without a reason, or one that names a test that does not exist.
 */
export function managerContract<Manager extends IBackgroundWorkerManager>(
  options: ManagerContractOptions<Manager>,
): void {
  checkOptions('managerContract', options, {
    runner: hasMethods('describe', 'it'),
    createManager: isFunction,
    shortPeriodMs: isWhole(20, 60_000, 'ms'),
    advance: isFunction,
    minPeriodMs: isWhole(1, 60_000, 'ms'),
    cleanUp: isFunction,
    deviations: areDeviations,
  })
  checkGiven('managerContract', options, ['runner', 'createManager', 'shortPeriodMs'])
  const { createManager, shortPeriodMs, advance = wait, minPeriodMs = 1, cleanUp = () => {} } = options
  if (shortPeriodMs < minPeriodMs) throw new InvalidOptionsError('managerContract: shortPeriodMs is below minPeriodMs.')
  collectContract({
    groups: [
      refusals,
      intervals,
      crons,
      oneRunAtATime,
      oneDecision,
      lateness,
      aborts,
      runOnStart,
      overrides,
      scopes,
      failures,
      start,
      stop,
      pause,
      sameWords,
      calls,
    ],
    runner: options.runner,
    deviations: options.deviations ?? [],
    createSubject: () =>
      new TestApplication({
        createManager: (given) => createManager({ defaultPolicy: ANY_TIME, ...given }),
        advance,
        cleanUp: (manager) => cleanUp(manager as Manager),
        shortPeriodMs,
        minPeriodMs,
      }),
  })
}

/** A slow machine makes runs late, which these tests are not about. */
const ANY_TIME = { catchUpWindowMs: 3_600_000 }

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => {
    globalThis.setTimeout(resolve, ms)
  })
}
