import type { IBackgroundWorkerManager, WorkerStatus } from '@background-workers/abstractions'

/** A list is used for so many times as long as it took to read. */
const USES_PER_READ = 4

interface Reading {
  readonly workers: Promise<readonly WorkerStatus[]>
  /** By `performance.now()`. */
  usableUntil: number
}

/**
 * Reads the list of workers once for all who want it at the same time, and for a while after: four times as long as the
 * reading took, so that reading takes at most a fifth of the time, however many look. For a list in memory that is no time.
 */
export class SharedList {
  readonly #manager: Pick<IBackgroundWorkerManager, 'list'>
  readonly #onRead: (workers: readonly WorkerStatus[]) => void
  #latest: Reading | undefined

  /** `onRead` is given each list once. */
  constructor(
    manager: Pick<IBackgroundWorkerManager, 'list'>,
    onRead: (workers: readonly WorkerStatus[]) => void = () => {},
  ) {
    this.#manager = manager
    this.#onRead = onRead
  }

  /** Rejects as the manager's `list` does. */
  read(): Promise<readonly WorkerStatus[]> {
    if (!this.#latest || performance.now() >= this.#latest.usableUntil) this.#latest = this.#start()
    return this.#latest.workers
  }

  /** Somebody has changed something, and is to see it. */
  forget(): void {
    this.#latest = undefined
  }

  #start(): Reading {
    const startedAt = performance.now()
    const reading: Reading = { workers: this.#manager.list(), usableUntil: Number.POSITIVE_INFINITY }
    reading.workers.then(
      (workers) => {
        const now = performance.now()
        reading.usableUntil = now + USES_PER_READ * (now - startedAt)
        this.#onRead(workers)
      },
      () => {
        reading.usableUntil = 0
      },
    )
    return reading
  }
}
