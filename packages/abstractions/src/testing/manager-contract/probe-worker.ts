import { BackgroundWorkerBase } from '../../background-worker.ts'
import { AsyncPeriodicBackgroundWorkerBase, type PeriodicBackgroundWorkerContext } from '../../periodic-worker.ts'
import type { PeriodicWorkerPolicy } from '../../policy.ts'
import type { Schedule } from '../../schedule.ts'

/** What holds work up until a test lets it pass. */
export class Gate {
  readonly #deferred = Promise.withResolvers<void>()

  get passed(): Promise<void> {
    return this.#deferred.promise
  }

  open(): void {
    this.#deferred.resolve()
  }
}

/** What a `ProbeWorker` is made of. */
export interface ProbeParts {
  readonly name: string
  readonly schedule: Schedule
  readonly policy?: PeriodicWorkerPolicy
  /** May throw at once. @default returns */
  readonly doWork?: (context: PeriodicBackgroundWorkerContext) => unknown
  readonly start?: (signal?: AbortSignal) => Promise<void>
  readonly stop?: (signal?: AbortSignal) => Promise<void>
}

/** A periodic worker that keeps the contexts of its attempts. */
export class ProbeWorker extends AsyncPeriodicBackgroundWorkerBase {
  readonly name: string
  readonly schedule: Schedule
  override readonly policy: PeriodicWorkerPolicy
  /** One for each call of `doWork`, oldest first. */
  readonly calls: PeriodicBackgroundWorkerContext[] = []
  readonly #doWork: (context: PeriodicBackgroundWorkerContext) => unknown

  constructor({ name, schedule, policy = {}, doWork = () => undefined, start, stop }: ProbeParts) {
    super()
    this.name = name
    this.schedule = schedule
    this.policy = policy
    this.#doWork = doWork
    // Only a worker that has a `start` of its own is waited for.
    if (start) this.start = start
    if (stop) this.stop = stop
  }

  // Not async: what throws at once must reach the manager so.
  doWork(context: PeriodicBackgroundWorkerContext): Promise<void> {
    this.calls.push(context)
    return this.#doWork(context) as Promise<void>
  }
}

/** Work that heeds its signal: it waits for that and fails with its reason, as most libraries do. */
export function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((_resolve, reject) => {
    const fail = () => reject(signal.reason as Error)
    if (signal.aborted) fail()
    else signal.addEventListener('abort', fail, { once: true })
  })
}

/** What a `PlainProbe` does. */
export interface PlainProbeParts {
  /** May throw at once. @default returns */
  readonly start?: (signal?: AbortSignal) => unknown
  readonly stop?: (signal?: AbortSignal) => unknown
}

/** A worker that only starts and stops, and keeps the signals it was given. */
export class PlainProbe extends BackgroundWorkerBase {
  readonly name: string
  readonly starts: (AbortSignal | undefined)[] = []
  readonly stops: (AbortSignal | undefined)[] = []
  readonly #parts: PlainProbeParts

  constructor(name: string, parts: PlainProbeParts = {}) {
    super()
    this.name = name
    this.#parts = parts
  }

  // Not async: what throws at once must reach the manager so.
  override start(signal?: AbortSignal): Promise<void> {
    this.starts.push(signal)
    return this.#parts.start?.(signal) as Promise<void>
  }

  override stop(signal?: AbortSignal): Promise<void> {
    this.stops.push(signal)
    return this.#parts.stop?.(signal) as Promise<void>
  }
}
