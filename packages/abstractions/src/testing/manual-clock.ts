import { show } from '../checks.ts'
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
  /** The calls of `advance` that have not come to their end. */
  readonly #advances = new Set<{ readonly endsAt: number }>()
  /** The step that is being taken: calls of `advance` that overlap take it together. */
  #step: Promise<void> | undefined

  /**
   * `startMs`: the wall time at the start, in ms since the epoch. @default 2026-01-01T00:00:00Z
   *
   * @throws InvalidOptionsError for a `startMs` that is no finite number, such as a `Date`.
   */
  constructor(startMs: number = Date.UTC(2026, 0, 1)) {
    if (!Number.isFinite(startMs)) {
      throw new InvalidOptionsError(
        `ManualClock: startMs must be a finite number of ms since the epoch, got ${show(startMs)}. Of a Date pass getTime().`,
      )
    }
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
   * Lets `ms` pass: fires what comes due, and waits for what that sets off. Calls that overlap, as that of a `doWork` which
   * another has called, let the same time pass: each resolves `ms` after it was called.
   *
   * @throws InvalidOptionsError for an `ms` that is negative, or no finite number.
   */
  async advance(ms: number): Promise<void> {
    if (!Number.isFinite(ms) || ms < 0) {
      throw new InvalidOptionsError(
        `ManualClock: advance(${show(ms)}) must be a finite number of ms, 0 or more. Time only goes forward; step() sets the wall clock back.`,
      )
    }
    const advance = { endsAt: this.#elapsedMs + ms }
    this.#advances.add(advance)
    try {
      while (this.#advances.has(advance)) {
        this.#step ??= this.#takeStep()
        await this.#step
      }
    } finally {
      this.#advances.delete(advance)
    }
  }

  /**
   * Steps the wall clock by `ms`, forward or back, as an administrator or a time server does. No timer fires.
   *
   * @throws InvalidOptionsError for an `ms` that is no finite number.
   */
  step(ms: number): void {
    checkMs('step', ms)
    this.#wallOffsetMs += ms
  }

  /**
   * Lets the machine sleep for `ms`: the wall clock goes on, timers stand still.
   *
   * @throws InvalidOptionsError for an `ms` that is no finite number.
   */
  sleep(ms: number): void {
    checkMs('sleep', ms)
    this.#wallOffsetMs += ms
  }

  /** Waits until everything that can go on without time passing has gone on. */
  async settle(): Promise<void> {
    await new Promise<void>((resolve) => nextTurn(resolve))
  }

  /** To the next timer or, if none comes before, to the end of the next `advance`. */
  async #takeStep(): Promise<void> {
    await this.settle()
    const end = Math.min(...Array.from(this.#advances, ({ endsAt }) => endsAt))
    const timer = this.#firstUntil(end)
    this.#elapsedMs = timer?.firesAt ?? end
    if (timer) {
      this.#step = undefined
      this.#timers.delete(timer)
      timer.callback()
      return
    }
    for (const advance of this.#advances) if (advance.endsAt <= end) this.#advances.delete(advance)
    await this.settle()
    this.#step = undefined
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

function checkMs(call: string, ms: number): void {
  if (!Number.isFinite(ms)) {
    throw new InvalidOptionsError(`ManualClock: ${call}(${show(ms)}) must be a finite number of ms.`)
  }
}
