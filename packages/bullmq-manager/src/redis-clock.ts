import type { RedisClient } from './redis-client.ts'

/** What two measurements of one clock may differ by. */
const MAX_JITTER_MS = 500

/** The two clocks of this machine come apart by more only when one of them stood still or was set. */
const MAX_DRIFT_MS = 100

/** When Redis was asked for the time. */
export interface TimeAsked {
  /** Of `performance.now`. */
  readonly at: number
  readonly wallOffsetMs: number
}

/** Redis time, so that all instances judge by one clock. Measured now and then, and carried on by a clock that never steps. */
export class RedisClock {
  /** What is to be added to `performance.now`. */
  #offsetMs = wallOffsetMs()
  /** What was to be added to it then for the time of this machine. */
  #wallOffsetMs = this.#offsetMs
  #last = 0

  /** Ms since the epoch, by Redis. A new measurement that differs a little never makes it go back; a clock that was set does. */
  now(): number {
    const now = Math.round(this.#offsetMs + performance.now())
    const isJitter = now < this.#last && this.#last - now < MAX_JITTER_MS
    if (!isJitter) this.#last = now
    return this.#last
  }

  /**
   * The same for what can not measure first: if wall time has jumped ahead since the last measurement, this machine counts as suspended
   * for so long.
   */
  nowAfterSleep(): number {
    const sleptMs = Math.round(wallOffsetMs() - this.#wallOffsetMs)
    return this.now() + (sleptMs > MAX_DRIFT_MS ? sleptMs : 0)
  }

  /** How far this machine's clock is ahead of Redis, in ms. */
  get skewMs(): number {
    return Date.now() - this.now()
  }

  /** Before Redis is asked for the time: what `note` takes. */
  asking(): TimeAsked {
    return { at: performance.now(), wallOffsetMs: wallOffsetMs() }
  }

  /**
   * Takes up an answer to `TIME`. Redis told the time at some moment since it was asked: what was known before is kept as far as
   * that allows, so an answer that took long changes little. If this machine was suspended since, it is in doubt.
   */
  note(time: readonly (string | number)[], asked: TimeAsked): void {
    const [seconds, micros] = time
    const redisMs = Number(seconds) * 1_000 + Number(micros) / 1_000
    this.#offsetMs = Math.min(Math.max(this.#offsetMs, redisMs - performance.now()), redisMs - asked.at)
    this.#wallOffsetMs = asked.wallOffsetMs
  }

  async measure(client: RedisClient): Promise<void> {
    const asked = this.asking()
    this.note(await client.time(), asked)
    await this.measureIfDoubtful(client)
  }

  /**
   * Measures again if this machine was suspended since the last time: `performance.now` stands still then, and `Date.now`, by which
   * BullMQ goes, does not. Also if that was set, for then the clock of Redis may have been set too.
   */
  async measureIfDoubtful(client: RedisClient): Promise<void> {
    if (Math.abs(wallOffsetMs() - this.#wallOffsetMs) > MAX_DRIFT_MS) await this.measure(client)
  }
}

function wallOffsetMs(): number {
  return Date.now() - performance.now()
}
