import { InvalidWorkerError } from './errors.ts'
import { type SafeLogger, safeLogger } from './safe-logger.ts'
import type { Logger, WorkerLogger } from './logger.ts'

/**
 * Work that an application does in the background. A worker is a singleton: one object per instance of the application.
 * Its `name` is stable and unique in the application; it is what schedules, records and logs go by.
 */
export interface IBackgroundWorker {
  /** A slug: `[a-z0-9][a-z0-9._-]*`, 1 to 100 characters. */
  readonly name: string
  /** Called once when the manager starts, or when the worker is added to a running one. `signal` is aborted by a stop. */
  start(signal?: AbortSignal): Promise<void>
  /** Called once when the manager stops, after the worker's active run. `signal` is aborted at the stop deadline. */
  stop(signal?: AbortSignal): Promise<void>
}

/** How a manager gives a worker what it needs. Known by this symbol, so that two copies of the package understand each other. */
const attachLogger: unique symbol = Symbol.for('background-workers.attach-logger') as never

/** What the inherited `start` does. */
const renewSignal: unique symbol = Symbol('renew signal')

/**
 * An easy way to make a worker: override `start` and `stop` and use `logger` and `stoppingSignal`.
 * Nothing is read in the constructor, so it fits every DI container. It can be started again after a stop.
 */
export abstract class BackgroundWorkerBase implements IBackgroundWorker {
  abstract readonly name: string

  #createLogger: ((worker: string) => Logger) | undefined
  #logger: SafeLogger | undefined
  /** Made when `stoppingSignal` is first used: 100,000 workers that do not use it cost none. */
  #stopping: AbortController | undefined
  #isStopped = false

  /** The manager's logger with `worker: name` bound to it. It writes nothing before the worker is added. */
  protected get logger(): WorkerLogger {
    this.#logger ??= safeLogger(this.#createLogger?.(this.name))
    return this.#logger
  }

  /** Aborted by `stop`, renewed by `start`. A listener must not fail: what it throws or rejects with is an uncaught exception to Node. */
  protected get stoppingSignal(): AbortSignal {
    this.#stopping ??= new AbortController()
    if (this.#isStopped) this.#stopping.abort()
    return this.#stopping.signal
  }

  /** Override it to begin. Call `super.start()` where you use `stoppingSignal`. */
  async start(_signal?: AbortSignal): Promise<void> {
    this[renewSignal]()
  }

  /** Override it to end. Call `super.stop()` where you use `stoppingSignal`. */
  async stop(_signal?: AbortSignal): Promise<void> {
    this.#isStopped = true
    this.#stopping?.abort()
  }

  /** @internal */
  [renewSignal](): void {
    if (!this.#isStopped) return
    this.#isStopped = false
    this.#stopping = undefined
  }

  /** @internal Called by the manager in `add`. */
  [attachLogger](createLogger: (worker: string) => Logger): void {
    this.#createLogger = createLogger
    this.#logger = undefined
  }
}

/**
 * Gives a worker its logger, where it wants one. It is made at the first line that is logged.
 *
 * @throws InvalidWorkerError when the worker can not take it: a Proxy around a `BackgroundWorkerBase` can not.
 */
export function giveLogger(worker: IBackgroundWorker, createLogger: (worker: string) => Logger): void {
  const taker = worker as { [attachLogger]?: (createLogger: (worker: string) => Logger) => void }
  try {
    taker[attachLogger]?.(createLogger)
  } catch (cause) {
    throw new InvalidWorkerError(
      'add: the worker can not take its logger. Pass the worker itself, not a Proxy of it.',
      {
        cause,
      },
    )
  }
}

/**
 * Starts a worker that has only the inherited `start`, which there is nothing to wait for: without its promise. Gives whether
 * that was all; one with a `start` of its own is left as it is.
 */
export function startAtOnce(worker: IBackgroundWorker): boolean {
  if (!inheritsStart(worker)) return false
  worker[renewSignal]()
  return true
}

/** Whether a worker has no `start` of its own. One that has only borrowed ours has nothing to renew, and fails when it is called. */
export function inheritsStart(worker: IBackgroundWorker): worker is BackgroundWorkerBase {
  return worker instanceof BackgroundWorkerBase && worker.start === BackgroundWorkerBase.prototype.start
}

/** Stops a worker that has only the inherited `stop`, in the same way: gives whether that was all. */
export function stopAtOnce(worker: IBackgroundWorker): boolean {
  if (!(worker instanceof BackgroundWorkerBase) || worker.stop !== BackgroundWorkerBase.prototype.stop) return false
  void worker.stop()
  return true
}
