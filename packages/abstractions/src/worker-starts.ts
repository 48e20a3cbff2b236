import { type IBackgroundWorker, startAtOnce, stopAtOnce } from './background-worker.ts'
import { type Clock, setLongTimer } from './clock.ts'
import { ManagerStoppedError, StartTimeoutError } from './errors.ts'
import type { FilledManagerOptions } from './manager-options.ts'
import type { WorkerDefinition } from './worker-definition.ts'
import type { WorkerReports } from './worker-reports.ts'
import type { LeavingWorker, WorkerStops } from './worker-stops.ts'

/** How far a worker's own `start` is. */
type StartState = 'stopped' | 'starting' | 'ready' | 'failed'

/** A worker that is to be started. */
export interface StartableWorker {
  readonly worker: IBackgroundWorker
  /** Its name as it was read in `add`; the worker's own may have changed since. */
  readonly definition: Pick<WorkerDefinition, 'name'>
  /** Only its `WorkerStarts` writes it. */
  startState: StartState
}

/** What the starts need of their manager, and tell it. */
export interface StartsHost<Worker extends StartableWorker> {
  readonly clock: Clock
  readonly options: Pick<FilledManagerOptions, 'startTimeoutMs'>
  /** Told when a `start` failed or is silent for too long, and when a `stop` failed. */
  readonly reports: Pick<WorkerReports, 'startFailed' | 'stopFailed'>
  /** Asked whether the same object was removed or stopped and has not gone yet. */
  readonly stops: Pick<WorkerStops, 'leaving'>
  /**
   * The worker's own `start` has resolved, late ones included: it may run now. (One without is ready when it was started.)
   * May not throw.
   */
  workerReady(entry: Worker): void
}

/** What is kept of a worker that was not ready at once, until it is stopped. */
interface AwaitedStart {
  readonly abort: AbortController
  /** Whether the worker's `start` has been called. */
  isCalled: boolean
  clearTimer: (() => void) | undefined
}

/**
 * The workers' own `start` and `stop` as every manager calls them: at once, not awaited, with a time limit. An object that was
 * removed and is added again during its run is started when that has ended and its `stop` has resolved; so is one that a stop of
 * the manager has given up on.
 *
 *     stopped -> starting -> ready -> stopped
 *                         -> failed -> ready (late) | stopped
 */
export class WorkerStarts<Worker extends StartableWorker> {
  readonly #host: StartsHost<Worker>
  /** Most workers have no `start` of their own, and nothing here. */
  readonly #awaited = new Map<Worker, AwaitedStart>()

  constructor(host: StartsHost<Worker>) {
    this.#host = host
  }

  /** A worker without a `start` of its own is ready when this returns. One that has been started is left as it is. */
  start(entry: Worker): void {
    if (entry.startState !== 'stopped') return
    const leaving = this.#host.stops.leaving(entry.worker)
    if (!leaving && startAtOnce(entry.worker)) {
      entry.startState = 'ready'
      return
    }
    const awaited: AwaitedStart = { abort: new AbortController(), isCalled: false, clearTimer: undefined }
    this.#awaited.set(entry, awaited)
    entry.startState = 'starting'
    void this.#begin(entry, awaited, leaving)
  }

  /**
   * Calls the worker's `stop` if its `start` was called. Gives when that has resolved, or nothing where there is nothing to wait
   * for. Never rejects.
   */
  stop(entry: Worker, signal: AbortSignal): Promise<void> | undefined {
    if (entry.startState === 'stopped') return undefined
    const awaited = this.#awaited.get(entry)
    this.#awaited.delete(entry)
    entry.startState = 'stopped'
    awaited?.clearTimer?.()
    awaited?.abort.abort(new ManagerStoppedError(`Worker "${entry.definition.name}" is being stopped.`))
    const wasStarted = awaited?.isCalled ?? true
    return !wasStarted || stopAtOnce(entry.worker) ? undefined : this.#callStop(entry, signal)
  }

  /**
   * The run of an object that is leaving may take as long as it likes; once a stop has aborted it, it counts towards the time limit,
   * as the object's `stop` does.
   */
  async #begin(entry: Worker, awaited: AwaitedStart, leaving: LeavingWorker | undefined): Promise<void> {
    const isCurrent = () => this.#awaited.get(entry) === awaited
    if (leaving?.runEnded) await leaving.runEnded
    if (!isCurrent()) return
    const { clock, options } = this.#host
    const silent = () => this.#fail(entry, awaited, this.#timeout(entry, awaited))
    awaited.clearTimer = setLongTimer(clock, silent, options.startTimeoutMs)
    if (leaving) await leaving.done
    if (!isCurrent()) return
    awaited.isCalled = true
    try {
      await call(() => entry.worker.start(awaited.abort.signal))
    } catch (error) {
      if (isCurrent()) this.#fail(entry, awaited, error)
      return
    }
    if (!isCurrent()) return
    awaited.clearTimer()
    entry.startState = 'ready'
    this.#host.workerReady(entry)
  }

  async #callStop({ worker, definition }: Worker, signal: AbortSignal): Promise<void> {
    try {
      await call(() => worker.stop(signal))
    } catch (error) {
      this.#host.reports.stopFailed(definition.name, error)
    }
  }

  /** Of what is silent: its `start`, or its `stop` or an aborted run where it is leaving. */
  #timeout({ definition }: Worker, { isCalled }: AwaitedStart): StartTimeoutError {
    const { startTimeoutMs } = this.#host.options
    const silent = isCalled
      ? '. Let start() resolve when the work has begun'
      : ': it was stopped, and its run or its stop() has not ended. Let doWork heed its signal and stop() resolve'
    return new StartTimeoutError(
      `Worker "${definition.name}" has not started within ${startTimeoutMs} ms${silent}, or raise startTimeoutMs.`,
    )
  }

  #fail(entry: Worker, { clearTimer }: AwaitedStart, error: unknown): void {
    clearTimer?.()
    entry.startState = 'failed'
    this.#host.reports.startFailed(entry.definition.name, error)
  }
}

/** A throw becomes a rejection. */
async function call(work: () => Promise<void>): Promise<void> {
  await work()
}
