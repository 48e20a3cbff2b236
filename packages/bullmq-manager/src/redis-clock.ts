import type { RedisClient } from './redis-client.ts'

/** What two measurements of one clock may differ by. */
const MAX_JITTER_MS = 500

/** What comes early by more makes this clock doubtful, not only the one that brought it. */
const DOUBTFUL_EARLY_MS = 1_000

/** Redis time, so that all instances judge by one clock. Measured now and then, and carried on by a clock that never steps. */
export class RedisClock {
  /** What is to be added to `performance.now`. */
  #offsetMs = Date.now() - performance.now()
  #last = 0

  /** Ms since the epoch, by Redis. A new measurement that differs a little never makes it go back; a clock that was set does. */
  now(): number {
    const now = Math.round(this.#offsetMs + performance.now())
    const isJitter = now < this.#last && this.#last - now < MAX_JITTER_MS
    if (!isJitter) this.#last = now
    return this.#last
  }

  /** How far this machine's clock is ahead of Redis, in ms. */
  get skewMs(): number {
    return Date.now() - this.now()
  }

  /**
   * Takes up an answer to `TIME` that was asked for at `askedAt` (of `performance.now`). Redis told the time at some
   * moment since: what was known before is kept as far as that allows, so an answer that took long changes little.
   */
  note(time: readonly (string | number)[], askedAt: number): void {
    const [seconds, micros] = time
    const redisMs = Number(seconds) * 1_000 + Number(micros) / 1_000
    this.#offsetMs = Math.min(Math.max(this.#offsetMs, redisMs - performance.now()), redisMs - askedAt)
  }

  async measure(client: RedisClient): Promise<void> {
    const askedAt = performance.now()
    this.note(await client.time(), askedAt)
  }

  /**
   * Measures again if what has come would be over 1 s early: `performance.now` stands still while the machine is suspended, and
   * does not see that clocks were set, while BullMQ goes by `Date.now`.
   */
  async measureIfEarly(client: RedisClient, dueAt: number): Promise<void> {
    if (dueAt - this.now() > DOUBTFUL_EARLY_MS) await this.measure(client)
  }
}
