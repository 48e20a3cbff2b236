import { type Clock, type ManagerOptions, systemClock } from '@background-workers/abstractions'
import {
  type FilledManagerOptions,
  checkOptions,
  fillManagerOptions,
  hasMethods,
  managerOptionChecks,
} from '@background-workers/abstractions/for-managers'

/** What the default manager takes. */
export interface DefaultManagerOptions extends ManagerOptions {
  /** What the manager knows of time. @default the system's clock */
  readonly clock?: Clock
}

/** The options with their defaults. */
export interface FilledOptions extends FilledManagerOptions {
  readonly clock: Clock
}

/** @throws InvalidOptionsError */
export function fillOptions(options: DefaultManagerOptions): FilledOptions {
  checkOptions('DefaultBackgroundWorkerManager', options, {
    ...managerOptionChecks,
    clock: hasMethods('now', 'monotonicNow', 'setTimer', 'clearTimer'),
  })
  return {
    ...fillManagerOptions(options),
    clock: options.clock ?? systemClock,
  }
}
