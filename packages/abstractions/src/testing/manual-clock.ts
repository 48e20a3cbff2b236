import type { Clock, TimerHandle } from '../clock.ts'
import { InvalidOptionsError } from '../errors.ts'

interface ManualTimer {
  readonly callback: () => void
  readonly firesAt: number
  readonly order: number
}

// Kept from the start: a test's fake timers must not hold this clock up.
const nextTurn = globalThis.setImmediate

/** A clock that a test moves by hand. Timers fire only in `advance`, in order, each followed by what it set off. */
export class ManualClock implements Clock {
  #elapsedMs = 0
  #wallOffsetMs: number
  #order = 0
  readonly #timers = new Set<ManualTimer>()

  /** `startMs`: the wall time at the start, in ms since the epoch. @default 2026-01-01T00:00:00Z */
  constructor(startMs: number = Date.UTC(2026, 0, 1)) {
    this.#wallOffsetMs = startMs
  }

  now(): number {
    return this.#wallOffsetMs + this.#elapsedMs
  }

  monotonicNow(): number {
    return this.#elapsedMs
  }

  setTimer(callback: () => void, delayMs: number): TimerHandle {
    // As Node does: a delay below 1 is 1, one that does not fit in 31 bits too.
    const effectiveMs = delayMs >= 1 && delayMs <= 2 ** 31 - 1 ? delayMs : 1
    const timer = {
      callback,
      firesAt: this.#elapsedMs + effectiveMs,
      order: this.#order++,
    }
    this.#timers.add(timer)
    return timer
  }

  clearTimer(handle: TimerHandle): void {
    this.#timers.delete(handle as ManualTimer)
  }

  /** How many timers are armed. */
  get timerCount(): number {
    return this.#timers.size
  }

  /**
   * Lets `ms` pass: fires what comes due, and waits for what that sets off.
   *
   * @throws InvalidOptionsError for a negative `ms`, or none.
   */
  async advance(ms: number): Promise<void> {
    if (!(ms >= 0)) {
      throw new InvalidOptionsError(
        `ManualClock: advance(${ms}) must be 0 or more. Time only goes forward; step() sets the wall clock back.`,
      )
    }
    await this.settle()
    const end = this.#elapsedMs + ms
    for (;;) {
      const timer = this.#firstUntil(end)
      if (!timer) break
      this.#timers.delete(timer)
      this.#elapsedMs = Math.max(this.#elapsedMs, timer.firesAt)
      timer.callback()
      await this.settle()
    }
    this.#elapsedMs = end
    await this.settle()
  }

  /** Steps the wall clock by `ms`, forward or back, as an administrator or a time server does. No timer fires. */
  step(ms: number): void {
    this.#wallOffsetMs += ms
  }

  /** Lets the machine sleep for `ms`: the wall clock goes on, timers stand still. */
  sleep(ms: number): void {
    this.step(ms)
  }

  /** Waits until everything that can go on without time passing has gone on. */
  async settle(): Promise<void> {
    await new Promise<void>((resolve) => nextTurn(resolve))
  }

  #firstUntil(end: number): ManualTimer | undefined {
    let first: ManualTimer | undefined
    for (const timer of this.#timers) {
      if (timer.firesAt > end) continue
      if (!first || timer.firesAt < first.firesAt || (timer.firesAt === first.firesAt && timer.order < first.order))
        first = timer
    }
    return first
  }
}
