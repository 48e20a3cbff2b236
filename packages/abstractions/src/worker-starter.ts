import { type IBackgroundWorker, startAtOnce, stopAtOnce } from './background-worker.ts'
import { type Clock, setLongTimer } from './clock.ts'
import { ManagerStoppedError, StartTimeoutError } from './errors.ts'
import type { FilledManagerOptions } from './manager-options.ts'
import type { WorkerReports } from './worker-reports.ts'
import type { LeavingWorker, WorkerStops } from './worker-stops.ts'

/** What a starter needs of its manager, and tells it. */
export interface StarterHost {
  readonly clock: Clock
  readonly options: Pick<FilledManagerOptions, 'startTimeoutMs'>
  /** Told when its `start` failed or is silent for too long, and when its `stop` failed. */
  readonly reports: Pick<WorkerReports, 'startFailed' | 'stopFailed'>
  /** Asked whether the same object was removed and has not gone yet. */
  readonly stops: Pick<WorkerStops, 'leaving'>
  /**
   * The worker's own `start` has resolved, late ones included: it may run now. (One without is ready when it was started.)
   * May not throw.
   */
  workerReady(worker: IBackgroundWorker, name: string): void
}

/**
 * A worker's own `start` and `stop` as every manager calls them: at once, not awaited, with a time limit. An object that was
 * removed and is added again during its run is started when that has ended and its `stop` has resolved.
 *
 *     stopped -> starting -> ready -> stopped
 *                         -> failed -> ready (late) | stopped
 */
export class WorkerStarter {
  readonly #worker: IBackgroundWorker
  readonly #host: StarterHost
  readonly #name: string
  #state: 'stopped' | 'starting' | 'ready' | 'failed' = 'stopped'
  /** Whether the worker's `start` has been called, and its `stop` has not. */
  #isStarted = false
  #abort: AbortController | undefined
  #clearTimer: (() => void) | undefined

  /** `name`: as it was read in `add`; the worker's own may have changed since. */
  constructor(worker: IBackgroundWorker, host: StarterHost, name: string = worker.name) {
    this.#worker = worker
    this.#host = host
    this.#name = name
  }

  get isReady(): boolean {
    return this.#state === 'ready'
  }

  get isFailed(): boolean {
    return this.#state === 'failed'
  }

  /** A worker without a `start` of its own is ready when this returns. One that has been started is left as it is. */
  start(): void {
    if (this.#state !== 'stopped') return
    const leaving = this.#host.stops.leaving(this.#worker)
    if (!leaving && startAtOnce(this.#worker)) {
      this.#isStarted = true
      this.#state = 'ready'
      return
    }
    this.#abort = new AbortController()
    this.#state = 'starting'
    void this.#begin(this.#abort, leaving)
  }

  /**
   * Calls the worker's `stop` if its `start` was called. Gives when that has resolved, or nothing where there is nothing to wait
   * for. Never rejects.
   */
  stop(signal: AbortSignal): Promise<void> | undefined {
    if (this.#state === 'stopped') return undefined
    const wasStarted = this.#isStarted
    this.#isStarted = false
    this.#state = 'stopped'
    this.#clearTimer?.()
    this.#abort?.abort(new ManagerStoppedError(`Worker "${this.#name}" is being stopped.`))
    this.#abort = undefined
    return !wasStarted || stopAtOnce(this.#worker) ? undefined : this.#callStop(signal)
  }

  /** The run of an object that is leaving may take as long as it likes; its `stop` counts towards the time limit. */
  async #begin(abort: AbortController, leaving: LeavingWorker | undefined): Promise<void> {
    const isCurrent = () => this.#abort === abort
    if (leaving?.runEnded) await leaving.runEnded
    if (!isCurrent()) return
    const { clock, options } = this.#host
    this.#clearTimer = setLongTimer(clock, () => this.#fail(this.#timeout()), options.startTimeoutMs)
    if (leaving) await leaving.done
    if (!isCurrent()) return
    this.#isStarted = true
    try {
      await call(() => this.#worker.start(abort.signal))
    } catch (error) {
      if (isCurrent()) this.#fail(error)
      return
    }
    if (!isCurrent()) return
    this.#clearTimer()
    this.#state = 'ready'
    this.#host.workerReady(this.#worker, this.#name)
  }

  async #callStop(signal: AbortSignal): Promise<void> {
    try {
      await call(() => this.#worker.stop(signal))
    } catch (error) {
      this.#host.reports.stopFailed(this.#name, error)
    }
  }

  /** Of what is silent: its `start`, or its `stop` where it is leaving. */
  #timeout(): StartTimeoutError {
    const { startTimeoutMs } = this.#host.options
    const silent = this.#isStarted
      ? '. Let start() resolve when the work has begun'
      : ': it was removed, and its stop() has not resolved. Let stop() resolve when the work has ended'
    return new StartTimeoutError(
      `Worker "${this.#name}" has not started within ${startTimeoutMs} ms${silent}, or raise startTimeoutMs.`,
    )
  }

  #fail(error: unknown): void {
    this.#clearTimer?.()
    this.#state = 'failed'
    this.#host.reports.startFailed(this.#name, error)
  }
}

/** A throw becomes a rejection. */
async function call(work: () => Promise<void>): Promise<void> {
  await work()
}
