import { type IBackgroundWorker, startAtOnce } from './background-worker.ts'
import { type Clock, setLongTimer } from './clock.ts'
import { ManagerStoppedError, StartTimeoutError } from './errors.ts'
import type { FilledManagerOptions } from './manager-options.ts'
import type { WorkerReports } from './worker-reports.ts'

/** What a starter needs of its manager, and tells it. */
export interface StarterHost {
  readonly clock: Clock
  readonly options: Pick<FilledManagerOptions, 'startTimeoutMs'>
  /** Told when its `start` failed or is silent for too long, and when its `stop` failed. */
  readonly reports: Pick<WorkerReports, 'startFailed' | 'stopFailed'>
  /**
   * The worker's own `start` has resolved, late ones included: it may run now. (One without is ready when it was started.)
   * May not throw.
   */
  workerReady(worker: IBackgroundWorker, name: string): void
}

/**
 * A worker's own `start` and `stop` as every manager calls them: at once, not awaited, with a time limit.
 *
 *     stopped -> starting -> ready -> stopped
 *                         -> failed -> ready (late) | stopped
 */
export class WorkerStarter {
  readonly #worker: IBackgroundWorker
  readonly #host: StarterHost
  readonly #name: string
  #state: 'stopped' | 'starting' | 'ready' | 'failed' = 'stopped'
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
    if (startAtOnce(this.#worker)) {
      this.#state = 'ready'
      return
    }
    const abort = new AbortController()
    const isCurrent = () => this.#abort === abort
    this.#abort = abort
    this.#state = 'starting'
    const { clock, options } = this.#host
    const { startTimeoutMs } = options
    this.#clearTimer = setLongTimer(clock, () => this.#fail(timeoutOf(this.#name, startTimeoutMs)), startTimeoutMs)
    const started = call(() => this.#worker.start(abort.signal))
    started.then(
      () => {
        if (!isCurrent()) return
        this.#clearTimer?.()
        this.#state = 'ready'
        this.#host.workerReady(this.#worker, this.#name)
      },
      (error) => {
        if (isCurrent()) this.#fail(error)
      },
    )
  }

  /** Calls the worker's `stop` if its `start` was called. Never rejects. */
  async stop(signal: AbortSignal): Promise<void> {
    if (this.#state === 'stopped') return
    this.#state = 'stopped'
    this.#clearTimer?.()
    this.#abort?.abort(new ManagerStoppedError(`Worker "${this.#name}" is being stopped.`))
    this.#abort = undefined
    try {
      await call(() => this.#worker.stop(signal))
    } catch (error) {
      this.#host.reports.stopFailed(this.#name, error)
    }
  }

  #fail(error: unknown): void {
    this.#clearTimer?.()
    this.#state = 'failed'
    this.#host.reports.startFailed(this.#name, error)
  }
}

function timeoutOf(worker: string, startTimeoutMs: number): StartTimeoutError {
  return new StartTimeoutError(
    `Worker "${worker}" has not started within ${startTimeoutMs} ms. Let start() resolve when the work has begun, or raise startTimeoutMs.`,
  )
}

/** A throw becomes a rejection. */
async function call(work: () => Promise<void>): Promise<void> {
  await work()
}
