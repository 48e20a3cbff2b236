import type { IBackgroundWorker } from './background-worker.ts'
import type { HealthReport } from './health.ts'
import type { ManagerEventName, ManagerEvents } from './manager-events.ts'
import type { RunRecord } from './run-record.ts'
import type { Schedule } from './schedule.ts'
import type { WorkerStatus } from './worker-status.ts'

/**
 * Starts workers, decides their slots, runs them, and stops everything. All managers keep the same promises
 * ("What is promised" in the README); one contract suite holds them to it.
 *
 * Calls that need the worker they name (`trigger`, `pause`, `resume`, `reschedule`, `runs`) reject with
 * `UnknownWorkerError` when there is none of that name, and those about schedules with `NotPeriodicError` when it only
 * starts and stops. Options with unknown keys reject with `InvalidOptionsError`.
 */
export interface IBackgroundWorkerManager extends AsyncDisposable {
  /** Where it stands between `start` and `stop`. */
  readonly state: ManagerState

  /**
   * Resolves when the schedules are armed. The workers' own `start` is called and not awaited; a worker that overrides
   * it gets its first slot after it has resolved. What a stop has given up on is started when it has ended. Idempotent;
   * concurrent calls share one start; a call during a stop waits for that first. Rejects when the manager's store can
   * not be reached; then it may be called again.
   */
  start(): Promise<void>

  /**
   * Takes no new slot, waits for runs until the deadline (`timeoutMs`, default the manager's `stopTimeoutMs`), then
   * aborts their signals, waits 1 s more, and says what finished and what was abandoned. Never rejects for a worker's
   * sake. Idempotent; a call during a start waits for that first; the manager may be started again. Called inside a
   * run it does not wait for that run.
   */
  stop(options?: StopOptions): Promise<StopReport>

  /**
   * Checks a worker and takes it up: kept before `start`, started at once while running; a call during a start may wait
   * for that first. Name, schedule and policy are read at the call and not again. An object that was removed and has not
   * stopped yet is started after that.
   *
   * @throws InvalidWorkerError, DuplicateWorkerError, InvalidScheduleError, InvalidOptionsError: at once, and nothing is
   * half-added.
   */
  add(worker: IBackgroundWorker): Promise<void>

  /**
   * Forgets a worker, its schedule, override and pause, in the whole application, until it is added again; its records
   * are there then. Its active run may finish, and its `stop` is called after that; a call during a start may wait for
   * that first. What a store keeps of a worker that is removed after a stop goes with the next start. Gives `false` when
   * the worker is not known.
   */
  remove(name: string, options?: ByOption): Promise<boolean>

  /**
   * Runs a worker now and leaves its schedule alone; works while paused. Gives the run's id as soon as it is accepted.
   *
   * @throws WorkerBusyError while a run is active, or waits for its jitter, its retry, its lock or (on BullMQ) a place.
   * WorkerNotReadyError while the worker's own `start` has not resolved, or has failed. ManagerStoppedError when this
   * manager does not run, or is the only one that could and is disabled.
   */
  trigger(name: string, options?: ByOption): Promise<string>

  /** Aborts the signal of a run, wherever it runs. Gives `false` when no such run is active. */
  cancel(runId: string, options?: ByOption): Promise<boolean>

  /**
   * No slot runs until `resume`; paused time is not owed. An active attempt goes on; what waits for its jitter or its
   * retry is ended. Pausing again replaces note and `by`.
   */
  pause(name: string, options?: PauseOptions): Promise<void>

  /** The next slot after now runs. Does nothing for a worker that is not paused. */
  resume(name: string, options?: ByOption): Promise<void>

  /**
   * Sets an override of the declared schedule; `undefined` drops it. A changed schedule starts from now. Code that
   * declares another schedule later drops the override and announces that.
   *
   * @throws InvalidScheduleError
   */
  reschedule(name: string, schedule: Schedule | undefined, options?: ByOption): Promise<void>

  /** All workers, in the order they were added. */
  list(): Promise<WorkerStatus[]>

  /** How one worker stands; `undefined` when there is none of that name. */
  get(name: string): Promise<WorkerStatus | undefined>

  /** The records of a worker, newest first; at most `limit` (default all that are kept). An active run comes without outcome. */
  runs(name: string, options?: RunsOptions): Promise<RunRecord[]>

  /** What is wrong now, and how the whole stands; also while the manager does not run or its store is away, which it says. */
  health(): Promise<HealthReport>

  /** Calls `listener` at each such event of this instance, until the returned function is called. */
  on<Name extends ManagerEventName>(event: Name, listener: (payload: ManagerEvents[Name]) => unknown): () => void
}

/** The name without the I, for those who prefer it. */
export type BackgroundWorkerManager = IBackgroundWorkerManager

/** How a manager stands; see `start` and `stop`. */
export type ManagerState = 'idle' | 'starting' | 'running' | 'stopping' | 'stopped'

/** What `stop` takes. */
export interface StopOptions {
  /** How long running work may take, in ms. */
  readonly timeoutMs?: number | undefined
}

/** What `stop` gives. */
export interface StopReport {
  /** How many runs ended while the stop waited for them, those that it aborted included. */
  readonly finished: number
  /** How many of these a stop, this or an earlier one, had aborted at its deadline; left out when none. */
  readonly aborted?: number
  /** What had not ended when the stop gave up: runs, and (without `runId`) workers whose own `stop` did not return. */
  readonly abandoned: readonly AbandonedWork[]
}

/** Something that a stop has given up on. */
export interface AbandonedWork {
  readonly worker: string
  readonly runId?: string
}

/** What control calls take. */
export interface ByOption {
  /** Who does this; kept in status, records, events and logs. */
  readonly by?: string | undefined
}

/** What `pause` takes. */
export interface PauseOptions extends ByOption {
  /** Why; shown in the status. */
  readonly note?: string | undefined
}

/** What `runs` takes. */
export interface RunsOptions {
  /** How many records at most, from 1. @default all that are kept */
  readonly limit?: number | undefined
}
