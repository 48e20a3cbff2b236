import { BackgroundWorkerBase, type IBackgroundWorker } from './background-worker.ts'
import { checkGiven, checkOptions, isAnything, isFunction, isSlug } from './checks.ts'
import type { WorkerLogger } from './logger.ts'
import { NO_POLICY, type PeriodicWorkerPolicy } from './policy.ts'
import type { RunKind } from './run-record.ts'
import type { Schedule } from './schedule.ts'
import type { ServiceScope } from './service-scope.ts'

/** A worker whose `doWork` is called at the slots of its `schedule`, one run at a time. */
export interface IPeriodicBackgroundWorker extends IBackgroundWorker {
  /** Read once, in `add`. Change it at run time with the manager's `reschedule`. */
  readonly schedule: Schedule
  /** Read once, in `add`. */
  readonly policy?: PeriodicWorkerPolicy | undefined
  /**
   * One attempt of a run. It succeeds when this resolves, and fails with what this throws or rejects with; neither stops the
   * manager. Heed `context.signal`: until this settles the worker gets no other run.
   */
  doWork(context: PeriodicBackgroundWorkerContext): Promise<void>
}

/** What one attempt of a run gets. */
export interface PeriodicBackgroundWorkerContext<Services extends object = object> {
  /** The attempt's own DI scope, made when first used and disposed after the attempt. */
  readonly services: ServiceScope<Services>
  /**
   * Aborted on cancel, stop deadline, timeout or lost lease; its reason is a typed error. A listener must not fail: what it throws
   * or rejects with is an uncaught exception to Node, and no failure of the run.
   */
  readonly signal: AbortSignal
  /** The worker's logger with `runId` and `scheduledFor` bound to it. */
  readonly logger: WorkerLogger
  /** As it was read in `add`. */
  readonly workerName: string
  /** The same for each attempt and, of a slot, on every instance: a key for effects that must not be repeated. */
  readonly runId: string
  readonly kind: RunKind
  /** The slot; for `start` and `manual` the time they were accepted. */
  readonly scheduledFor: Date
  /** When the run started; the same for each of its attempts. */
  readonly startedAt: Date
  /** 1 for the first. */
  readonly attempt: number
  /** How many slots before this one were due and not decided. */
  readonly missedSlots: number
  /** When the outcome of the last run that succeeded was fixed; none before the first. */
  readonly lastSucceededAt?: Date
}

/** An easy way to make a periodic worker: give it `name`, `schedule` and `doWork`. */
export abstract class AsyncPeriodicBackgroundWorkerBase
  extends BackgroundWorkerBase
  implements IPeriodicBackgroundWorker
{
  abstract readonly schedule: Schedule
  readonly policy: PeriodicWorkerPolicy = NO_POLICY
  abstract doWork(context: PeriodicBackgroundWorkerContext): Promise<void>
}

/** What a promise may resolve with. Were it `unknown`, a `doWork: () => new Promise((resolve) => …)` could not call `resolve()`. */
type Anything = NonNullable<unknown> | null | undefined

/** What `periodicWorker` takes. `Services` is what a `doWork` types its context with, as the cradle of the application. */
export interface PeriodicWorkerParts<Services extends object = object> {
  /** A slug: `[a-z0-9][a-z0-9._-]*`, 1 to 100 characters. */
  readonly name: string
  readonly schedule: Schedule
  /** @default the manager's `defaultPolicy`, field by field */
  readonly policy?: PeriodicWorkerPolicy | undefined
  /** One attempt of a run; it may be synchronous. What it resolves with is not used. */
  readonly doWork: (context: PeriodicBackgroundWorkerContext<Services>) => Promise<void> | PromiseLike<Anything> | void
}

/**
 * A periodic worker without a class.
 *
 * @throws InvalidOptionsError when a part is missing, unknown or of the wrong type. (Schedule and policy are checked in `add`.)
 */
export function periodicWorker<Services extends object = object>(
  parts: PeriodicWorkerParts<Services>,
): IPeriodicBackgroundWorker {
  checkOptions('periodicWorker', parts, {
    name: isSlug,
    schedule: isAnything,
    policy: isAnything,
    doWork: isFunction,
  })
  checkGiven('periodicWorker', parts, ['name', 'schedule', 'doWork'])
  return new FunctionWorker(parts)
}

class FunctionWorker<Services extends object> extends AsyncPeriodicBackgroundWorkerBase {
  readonly name: string
  readonly schedule: Schedule
  override readonly policy: PeriodicWorkerPolicy
  readonly #doWork: PeriodicWorkerParts<Services>['doWork']

  constructor(parts: PeriodicWorkerParts<Services>) {
    super()
    this.name = parts.name
    this.schedule = parts.schedule
    this.policy = parts.policy ?? NO_POLICY
    this.#doWork = parts.doWork
  }

  async doWork(context: PeriodicBackgroundWorkerContext<Services>): Promise<void> {
    await this.#doWork(context)
  }
}
