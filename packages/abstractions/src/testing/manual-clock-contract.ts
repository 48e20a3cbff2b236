import { checkGiven, checkOptions, hasMethods, isFunction } from '../checks.ts'
import type { IBackgroundWorkerManager } from '../manager.ts'
import { type ContractDeviation, type ContractRunner, areDeviations, collectContract } from './contract-suite.ts'
import { ClockApplication, type ManualClockManagerOptions } from './manual-clock-contract/clock-application.ts'
import { clockSteps } from './manual-clock-contract/clock-steps.ts'
import { clockLateness } from './manual-clock-contract/lateness.ts'
import { clockCrons, clockIntervals } from './manual-clock-contract/schedules.ts'
import { timeLimits } from './manual-clock-contract/time-limits.ts'

/** What `manualClockContract` takes. */
export interface ManualClockContractOptions<Manager extends IBackgroundWorkerManager> {
  /** `describe` and `it` of the test runner. One test sets the time zone of the process, so they run one by one. */
  readonly runner: ContractRunner
  /** Makes a manager that has not started and knows the time from `options.clock` only. */
  readonly createManager: (options: ManualClockManagerOptions) => Manager | Promise<Manager>
  /** Called after each test for each manager, which has been stopped and has left no timer on the clock. */
  readonly cleanUp?: (manager: Manager) => unknown
  /** The tests that the manager can not pass, and why. */
  readonly deviations?: readonly ContractDeviation[]
}

/**
 * The part of the contract that needs time travel: months, daylight saving, sleeping machines, clocks that are set.
 * For managers that take a `Clock`; each test has a clock of its own.
 *
 * @throws InvalidOptionsError; Error for a deviation without a reason, or one that names a test that does not exist.
 */
export function manualClockContract<Manager extends IBackgroundWorkerManager>(
  options: ManualClockContractOptions<Manager>,
): void {
  checkOptions('manualClockContract', options, {
    runner: hasMethods('describe', 'it'),
    createManager: isFunction,
    cleanUp: isFunction,
    deviations: areDeviations,
  })
  checkGiven('manualClockContract', options, ['runner', 'createManager'])
  const { createManager, cleanUp = () => {} } = options
  collectContract({
    groups: [clockIntervals, clockCrons, clockLateness, clockSteps, timeLimits],
    runner: options.runner,
    deviations: options.deviations ?? [],
    createSubject: () => new ClockApplication({ createManager, cleanUp: (manager) => cleanUp(manager as Manager) }),
  })
}
