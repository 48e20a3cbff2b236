/** The stable codes of all errors of this library; every one stands in the docs with its cause and fix. */
export type BackgroundWorkerErrorCode =
  | 'invalid-worker'
  | 'duplicate-worker'
  | 'unknown-worker'
  | 'not-periodic'
  | 'worker-busy'
  | 'worker-not-ready'
  | 'invalid-schedule'
  | 'invalid-options'
  | 'run-timeout'
  | 'run-cancelled'
  | 'lease-lost'
  | 'manager-stopped'
  | 'start-timeout'
  | 'store-unavailable'

const brand: unique symbol = Symbol.for('background-workers.error') as never

/** The base of all errors of this library. `code` is stable; the message says what failed, which one, and what to do. */
export class BackgroundWorkerError extends Error {
  readonly code: BackgroundWorkerErrorCode
  readonly [brand] = true

  constructor(code: BackgroundWorkerErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options)
    this.name = new.target.name
    this.code = code
  }

  /** Whether `value` is an error of this library, also one that comes from a second copy of the package. */
  static is(value: unknown): value is BackgroundWorkerError {
    return typeof value === 'object' && value !== null && brand in value
  }
}

/** Thrown by `add` for something that is not a worker, or whose name is not a slug. */
export class InvalidWorkerError extends BackgroundWorkerError {
  constructor(message: string, options?: { readonly cause?: unknown }) {
    super('invalid-worker', message, options)
  }
}

/** Thrown by `add` when a worker of that name is already added. */
export class DuplicateWorkerError extends BackgroundWorkerError {
  readonly worker: string

  constructor(worker: string) {
    super('duplicate-worker', `Worker "${worker}" is already added. Give each worker its own name.`)
    this.worker = worker
  }
}

/** Thrown by calls that need a worker (`trigger`, `pause`, `resume`, `reschedule`, `runs`) that the manager does not know. */
export class UnknownWorkerError extends BackgroundWorkerError {
  readonly worker: string

  constructor(worker: string) {
    super('unknown-worker', `There is no worker "${worker}". Add it first, or check its name in list().`)
    this.worker = worker
  }
}

/** Thrown by calls that need a schedule (`trigger`, `pause`, `reschedule`, …) for a worker that only starts and stops. */
export class NotPeriodicError extends BackgroundWorkerError {
  readonly worker: string

  constructor(worker: string, action: string) {
    super(
      'not-periodic',
      `Worker "${worker}" has no schedule, so ${action} does not apply to it. Use a periodic worker.`,
    )
    this.worker = worker
  }
}

/** Thrown by `trigger` while a run of that worker is active. */
export class WorkerBusyError extends BackgroundWorkerError {
  readonly worker: string
  /** None where the run is another instance's and its lock can not tell which. */
  readonly activeRunId: string | undefined

  constructor(worker: string, activeRunId: string | undefined) {
    super(
      'worker-busy',
      `Worker "${worker}" is busy with ${activeRunId === undefined ? 'a run of another instance' : `run "${activeRunId}"`}. Trigger it again when that run has finished, or cancel it.`,
    )
    this.worker = worker
    this.activeRunId = activeRunId
  }
}

/** Thrown by `trigger` while the worker's own `start` has not resolved, or has failed. */
export class WorkerNotReadyError extends BackgroundWorkerError {
  readonly worker: string

  constructor(worker: string) {
    super(
      'worker-not-ready',
      `Worker "${worker}" has not started, so it can not run. See its state in get() and its log.`,
    )
    this.worker = worker
  }
}

/** Thrown where a schedule is given (`every`, `cron`, `add`, `reschedule`) that can not be kept. */
export class InvalidScheduleError extends BackgroundWorkerError {
  constructor(message: string, options?: { readonly cause?: unknown }) {
    super('invalid-schedule', message, options)
  }
}

/** Thrown where options or a policy are given that can not be kept: an unknown key, a wrong type, a value out of range. */
export class InvalidOptionsError extends BackgroundWorkerError {
  constructor(message: string) {
    super('invalid-options', message)
  }
}

/** The reason of the run's signal, and the recorded error, when a run takes longer than `timeoutMs`. */
export class RunTimeoutError extends BackgroundWorkerError {
  readonly timeoutMs: number

  constructor(worker: string, runId: string, timeoutMs: number) {
    super(
      'run-timeout',
      `Run "${runId}" of worker "${worker}" took longer than its timeoutMs of ${timeoutMs}. Heed the context's signal, do less in a run, or raise timeoutMs.`,
    )
    this.timeoutMs = timeoutMs
  }
}

/** The reason of the run's signal after `cancel`. */
export class RunCancelledError extends BackgroundWorkerError {
  readonly by: string | undefined

  constructor(worker: string, runId: string, by?: string) {
    super('run-cancelled', `Run "${runId}" of worker "${worker}" was cancelled${by === undefined ? '' : ` by ${by}`}.`)
    this.by = by
  }
}

/** The reason of the run's signal when this instance can no longer prove that the run is its own. */
export class LeaseLostError extends BackgroundWorkerError {
  constructor(worker: string, runId: string, options?: { readonly cause?: unknown }) {
    super(
      'lease-lost',
      `Run "${runId}" of worker "${worker}" lost its lease, so another instance may take over. End the work now.`,
      options,
    )
  }
}

/** The reason of every signal when the stop deadline has passed; and thrown by calls that need a running manager. */
export class ManagerStoppedError extends BackgroundWorkerError {
  constructor(message: string) {
    super('manager-stopped', message)
  }
}

/**
 * What is reported when a worker's own `start`, or a manager's store, is silent for longer than `startTimeoutMs`; or the `stop` of a
 * worker that was removed and is added again.
 */
export class StartTimeoutError extends BackgroundWorkerError {
  constructor(message: string, options?: { readonly cause?: unknown }) {
    super('start-timeout', message, options)
  }
}

/** Thrown by calls that need the manager's store while it can not be reached, refuses, or others write in it for too long. */
export class StoreUnavailableError extends BackgroundWorkerError {
  constructor(message: string, options?: { readonly cause?: unknown }) {
    super('store-unavailable', message, options)
  }
}
