/** What was read is used for so many times as long as it took to read. */
const USES_PER_READ = 4

interface Reading<T> {
  readonly value: Promise<T>
  /** By `performance.now()`. */
  usableUntil: number
}

/**
 * Reads something once for all who want it at the same time, and for a while after: four times as long as the reading took,
 * so that reading takes at most a fifth of the time, however many look. For what is in memory that is no time.
 */
export class SharedReading<T> {
  readonly #read: () => Promise<T>
  readonly #onRead: (value: T) => void
  #latest: Reading<T> | undefined

  /** `onRead` is given each value once. */
  constructor(read: () => Promise<T>, onRead: (value: T) => void = () => {}) {
    this.#read = read
    this.#onRead = onRead
  }

  /** Rejects as the reading does. */
  read(): Promise<T> {
    if (!this.#latest || performance.now() >= this.#latest.usableUntil) this.#latest = this.#start()
    return this.#latest.value
  }

  /** Somebody has changed something, and is to see it. */
  forget(): void {
    this.#latest = undefined
  }

  #start(): Reading<T> {
    const startedAt = performance.now()
    const reading: Reading<T> = { value: this.#read(), usableUntil: Number.POSITIVE_INFINITY }
    reading.value.then(
      (value) => {
        const now = performance.now()
        reading.usableUntil = now + USES_PER_READ * (now - startedAt)
        this.#onRead(value)
      },
      () => {
        reading.usableUntil = 0
      },
    )
    return reading
  }
}
