import type { Clock, IDistributedLock, ManagerOptions } from '@background-workers/abstractions'
import {
  type Check,
  type FilledManagerOptions,
  checkOptions,
  fillManagerOptions,
  hasMethods,
  managerOptionChecks,
  systemClock,
} from '@background-workers/abstractions/for-managers'

/** What the default manager takes. */
export interface DefaultManagerOptions extends ManagerOptions {
  /** What the manager knows of time. @default the system's clock */
  readonly clock?: Clock | undefined
  /**
   * Keeps several instances from running a worker at a time, and a slot twice; all of them share it.
   * @default none: every instance runs every worker
   */
  readonly distributedLock?: IDistributedLock | undefined
}

/** The options with their defaults. */
export interface FilledOptions extends FilledManagerOptions {
  readonly clock: Clock
  readonly distributedLock: IDistributedLock | undefined
}

const checks = {
  ...managerOptionChecks,
  clock: hasMethods('now', 'monotonicNow', 'setTimer', 'clearTimer'),
  distributedLock: hasMethods('acquire'),
} satisfies Record<keyof DefaultManagerOptions, Check>

/** What the options are called. */
export const optionNames: readonly string[] = Object.keys(checks)

/**
 * Checks the options and fills in the defaults.
 *
 * @throws InvalidOptionsError
 */
export function fillOptions(options: DefaultManagerOptions): FilledOptions {
  checkOptions('DefaultBackgroundWorkerManager', options, checks)
  return {
    ...fillManagerOptions(options),
    clock: options.clock ?? systemClock,
    distributedLock: options.distributedLock,
  }
}
