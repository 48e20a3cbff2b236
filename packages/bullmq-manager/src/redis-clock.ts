import type { RedisClient } from './connection.ts'

/** Redis time, so that all instances judge by one clock. Measured now and then, and carried on by a clock that never steps. */
export class RedisClock {
  #redisMs = Date.now()
  #measuredAt = performance.now()

  /** Ms since the epoch, by Redis. */
  now(): number {
    return Math.round(this.#redisMs + performance.now() - this.#measuredAt)
  }

  /** How far this machine's clock is ahead of Redis, in ms. */
  get skewMs(): number {
    return Date.now() - this.now()
  }

  /** Takes up an answer to `TIME` that was asked for at `askedAt` (of `performance.now`). */
  note(time: readonly (string | number)[], askedAt: number): void {
    const [seconds, micros] = time
    this.#redisMs = Number(seconds) * 1_000 + Number(micros) / 1_000
    this.#measuredAt = (askedAt + performance.now()) / 2
  }

  async measure(client: RedisClient): Promise<void> {
    const askedAt = performance.now()
    this.note(await client.time(), askedAt)
  }
}
