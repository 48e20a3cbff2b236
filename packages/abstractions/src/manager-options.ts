import { type Check, hasMethods, isBoolean, isSlug, isWhole } from './checks.ts'
import { MAX_DURATION_MS } from './duration.ts'
import type { Logger } from './logger.ts'
import { type FilledPolicy, type PeriodicWorkerPolicy, checkDeclaredPolicy, fillPolicy } from './policy.ts'
import type { ServiceScopeFactory } from './service-scope.ts'

/** The options of the background worker system (ABP: `AbpBackgroundWorkerOptions`). */
export interface BackgroundWorkerOptions {
  /**
   * `false`: nothing is started, scheduled or taken here; `add` still checks and keeps.
   * @default true
   */
  readonly isEnabled?: boolean | undefined
}

/** What every manager takes. */
export interface ManagerOptions extends BackgroundWorkerOptions {
  /** The owner of the workers. Instances of one application share it; applications that share a store must differ. @default 'application' */
  readonly applicationName?: string | undefined
  /** Where the manager and its workers report; a pino logger fits. @default a logger that writes nothing */
  readonly logger?: Logger | undefined
  /** Makes the DI scope of each attempt; an awilix container fits. @default none: `context.services` throws */
  readonly scopeFactory?: ServiceScopeFactory | undefined
  /** How long a worker's `start`, or the manager's store, may be silent, in ms. @default 30_000 */
  readonly startTimeoutMs?: number | undefined
  /** How long `stop` waits for running work before it aborts it, in ms. @default 30_000 */
  readonly stopTimeoutMs?: number | undefined
  /** What a worker's policy falls back to, field by field. */
  readonly defaultPolicy?: PeriodicWorkerPolicy | undefined
}

/** The common options with their defaults. */
export interface FilledManagerOptions {
  readonly isEnabled: boolean
  readonly applicationName: string
  readonly logger: Logger | undefined
  readonly scopeFactory: ServiceScopeFactory | undefined
  readonly startTimeoutMs: number
  readonly stopTimeoutMs: number
  readonly defaultPolicy: FilledPolicy
}

/** The checks of the options that every manager takes. */
export const managerOptionChecks = {
  isEnabled: isBoolean,
  applicationName: isSlug,
  logger: hasMethods('debug', 'info', 'warn', 'error'),
  scopeFactory: hasMethods('createScope'),
  startTimeoutMs: isWhole(1, MAX_DURATION_MS, 'ms'),
  stopTimeoutMs: isWhole(0, MAX_DURATION_MS, 'ms'),
  defaultPolicy: (value) => {
    checkDeclaredPolicy('defaultPolicy', value)
    return undefined
  },
} satisfies Record<keyof ManagerOptions, Check>

/** Fills the common options; they have been checked. */
export function fillManagerOptions(options: ManagerOptions): FilledManagerOptions {
  return {
    isEnabled: options.isEnabled ?? true,
    applicationName: options.applicationName ?? 'application',
    logger: options.logger,
    scopeFactory: options.scopeFactory,
    startTimeoutMs: options.startTimeoutMs ?? 30_000,
    stopTimeoutMs: options.stopTimeoutMs ?? 30_000,
    defaultPolicy: fillPolicy(options.defaultPolicy ?? {}),
  }
}
