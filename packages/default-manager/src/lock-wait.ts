import type { Clock, LockHold, LockRefusal, LockRequest } from '@background-workers/abstractions'
import {
  StoreUnavailableError,
  type WallTimer,
  setLongTimer,
  setWallTimer,
} from '@background-workers/abstractions/for-managers'

/** A lock that has not answered for so long is taken for unreachable. */
export const SILENT_AFTER_MS = 10_000

const FIRST_RETRY_MS = 200
const LONGEST_RETRY_MS = 5_000

/** Who waits for a lock. Exactly one of the callbacks is called, once, unless the wait is ended before. */
export interface LockWaiter {
  readonly request: LockRequest
  /** Until when a lock that can not be reached is asked again, in ms since the epoch. Without it, it is asked once. */
  readonly untilMs?: number
  readonly held: (hold: LockHold) => void
  readonly refused: (blockedBy: string | undefined) => void
  readonly failed: (error: unknown) => void
}

/** What a wait needs of the manager's locks, and tells them. */
export interface LockWaitHost {
  readonly clock: Clock
  ask(): Promise<LockHold | LockRefusal>
  release(hold: LockHold): void
  lost(error: unknown): void
}

/**
 * One wait for a lock.
 *
 *     asking -> held or refused: over
 *     asking -> (failed, or silent for 10 s) -> pausing -> asking …
 *     asking or pausing -> (time is over, or the waiter ends it) -> over: a hold that still comes is given back
 */
export class LockWait {
  readonly #waiter: LockWaiter
  readonly #host: LockWaitHost
  #isOver = false
  #attempt = 0
  #lastError: unknown
  #deadline: WallTimer | undefined
  #clearTimer = () => {}

  constructor(waiter: LockWaiter, host: LockWaitHost) {
    this.#waiter = waiter
    this.#host = host
  }

  start(): void {
    const { untilMs } = this.#waiter
    if (untilMs !== undefined) this.#deadline = setWallTimer(this.#host.clock, () => this.#giveUp(), untilMs + 1)
    this.#ask()
  }

  /** Looks at the clock, and gives up if its time is over. */
  look(): void {
    this.#deadline?.look()
  }

  end(): void {
    this.#isOver = true
    this.#deadline?.clear()
    this.#clearTimer()
  }

  #ask(): void {
    const attempt = ++this.#attempt
    const silent = () =>
      this.#useless(attempt, new StoreUnavailableError(`The lock has not answered within ${SILENT_AFTER_MS} ms.`))
    this.#clearTimer = setLongTimer(this.#host.clock, silent, SILENT_AFTER_MS)
    this.#host.ask().then(
      (answer) => this.#answered(attempt, answer),
      (error: unknown) => this.#failed(attempt, error),
    )
  }

  /** Also of an attempt that was taken for lost: its hold is as good. */
  #answered(attempt: number, answer: LockHold | LockRefusal): void {
    if (answer.kind === 'held' && (this.#isOver || answer.signal.aborted)) {
      this.#host.release(answer)
      this.#useless(attempt, answer.signal.reason)
      return
    }
    if (this.#isOver) return
    this.end()
    if (answer.kind === 'held') this.#waiter.held(answer)
    else this.#waiter.refused(answer.blockedBy)
  }

  /** The lock itself has told no failure. */
  #useless(attempt: number, error: unknown): void {
    if (!this.#isOver) this.#host.lost(error)
    this.#failed(attempt, error)
  }

  #failed(attempt: number, error: unknown): void {
    if (this.#isOver || attempt !== this.#attempt) return
    this.#lastError = error
    this.#clearTimer()
    if (this.#waiter.untilMs === undefined) {
      this.#giveUp()
      return
    }
    const pauseMs = Math.min(FIRST_RETRY_MS * 2 ** (attempt - 1), LONGEST_RETRY_MS)
    this.#clearTimer = setLongTimer(this.#host.clock, () => this.#ask(), pauseMs)
  }

  #giveUp(): void {
    this.end()
    this.#waiter.failed(this.#lastError)
  }
}
