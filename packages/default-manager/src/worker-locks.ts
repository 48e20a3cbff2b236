import {
  type Clock,
  type IDistributedLock,
  type LockHold,
  type LockRefusal,
  type LockRequest,
  StoreUnavailableError,
} from '@background-workers/abstractions'
import {
  type EventHub,
  type SafeLogger,
  type HealthMonitor,
  Run,
  StoreOutage,
  describeError,
  setLongTimer,
  waitFor,
} from '@background-workers/abstractions/for-managers'

/** A lock that has not answered for so long is taken for unreachable. */
const SILENT_AFTER_MS = 10_000

/** How often a lock that could not be reached is looked for, so that it is back also when no slot asks. */
const PROBE_MS = 5_000

const FIRST_RETRY_MS = 200
const LONGEST_RETRY_MS = 5_000

/** What the locks of a manager share with it. */
export interface WorkerLocksParts {
  readonly lock: IDistributedLock
  readonly clock: Clock
  readonly logger: SafeLogger
  readonly events: EventHub
  readonly health: HealthMonitor
}

/** Who waits for a lock. Exactly one of the callbacks is called, once, unless the wait is ended before. */
export interface LockWaiter {
  readonly request: LockRequest
  /** Until when a lock that can not be reached is asked again, in ms since the epoch. Without it, it is asked once. */
  readonly untilMs?: number
  readonly held: (hold: LockHold) => void
  readonly refused: (blockedBy: string | undefined) => void
  readonly failed: (error: unknown) => void
}

/** The manager's side of a distributed lock: asks again while it can not be reached, and says once that, and once when it is back. */
export class WorkerLocks {
  readonly #parts: WorkerLocksParts
  /** Calls of the lock that have not been answered. */
  readonly #calls = new Set<Promise<unknown>>()
  readonly #outage: StoreOutage
  #clearProbe = () => {}
  /** Requests are counted: a failure of one that is older than an answer, or than a stop, says nothing any more. */
  #asked = 0
  #answered = 0

  constructor(parts: WorkerLocksParts) {
    this.#parts = parts
    this.#outage = new StoreOutage(parts)
  }

  /** Asks for a lock before it returns. Gives how to end the wait; a hold that comes afterwards is given back. */
  wait(waiter: LockWaiter): () => void {
    const wait = new LockWait(waiter, {
      clock: this.#parts.clock,
      ask: () => this.#ask(waiter.request),
      release: (hold) => this.release(hold),
      lost: (error) => this.#lost(error),
    })
    // A run that triggers another is not the one that this lock is for.
    Run.outside(() => wait.start())
    return () => wait.end()
  }

  /** Gives a lock back; what goes wrong is logged. */
  release(hold: LockHold): void {
    void this.#call(async () => {
      try {
        await hold.release()
      } catch (err) {
        this.#parts.logger.error({ err }, 'a lock could not be released, it is held until it expires')
      }
    })
  }

  /** After the last run: waits until the lock has answered all calls, and forgets that it could not be reached. */
  async stop(): Promise<void> {
    const answered = async () => {
      while (this.#calls.size > 0) await Promise.allSettled(this.#calls)
    }
    if (this.#calls.size > 0) await waitFor(answered(), SILENT_AFTER_MS, this.#parts.clock)
    this.#answered = this.#asked
    this.#clearProbe()
    this.#outage.forget()
  }

  async #ask(request: LockRequest): Promise<LockHold | LockRefusal> {
    const asked = ++this.#asked
    try {
      const answer = checkAnswer(await this.#call(async () => this.#parts.lock.acquire(request)))
      this.#answered = Math.max(this.#answered, asked)
      this.#restored()
      return answer
    } catch (error) {
      // Told also when nobody waits any more: a slot may wait for less long than a lock that is away takes to fail.
      if (asked > this.#answered) this.#lost(error)
      throw error
    }
  }

  #call<T>(call: () => Promise<T>): Promise<T> {
    const answer = call()
    this.#calls.add(answer)
    const forget = () => void this.#calls.delete(answer)
    answer.then(forget, forget)
    return answer
  }

  #lost(error: unknown): void {
    const isNew = this.#outage.lost(error, () => ({
      line: 'the distributed lock can not be reached, slots wait for it',
      message: `The distributed lock can not be reached, so nothing runs: ${describeError(error).message}`,
    }))
    if (isNew) this.#probeLater()
  }

  #probeLater(): void {
    const { lock, clock } = this.#parts
    if (!lock.ping) return
    this.#clearProbe = setLongTimer(clock, () => void this.#probe(), PROBE_MS)
  }

  async #probe(): Promise<void> {
    const { lostAt } = this.#outage
    const isBack = await this.#call(async () => this.#parts.lock.ping?.()).then(
      () => true,
      () => false,
    )
    // A request may have been answered meanwhile, or the manager was stopped.
    if (lostAt === undefined || this.#outage.lostAt !== lostAt) return
    if (isBack) this.#restored()
    else this.#probeLater()
  }

  #restored(): void {
    if (this.#outage.restored('the distributed lock is back')) this.#clearProbe()
  }
}

interface LockWaitHost {
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
class LockWait {
  readonly #waiter: LockWaiter
  readonly #host: LockWaitHost
  #isOver = false
  #attempt = 0
  #lastError: unknown
  #clearDeadline = () => {}
  #clearTimer = () => {}

  constructor(waiter: LockWaiter, host: LockWaitHost) {
    this.#waiter = waiter
    this.#host = host
  }

  start(): void {
    const { untilMs } = this.#waiter
    if (untilMs !== undefined) {
      const { clock } = this.#host
      this.#clearDeadline = setLongTimer(clock, () => this.#giveUp(), Math.max(0, untilMs - clock.now()) + 1)
    }
    this.#ask()
  }

  end(): void {
    this.#isOver = true
    this.#clearDeadline()
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

/** A lock is somebody else's code: what it gives is looked at before a run relies on it. */
function checkAnswer(answer: LockHold | LockRefusal): LockHold | LockRefusal {
  if (answer?.kind === 'refused') return answer
  if (answer?.kind === 'held' && answer.signal instanceof AbortSignal && typeof answer.release === 'function') {
    return answer
  }
  throw new TypeError('acquire() of the distributed lock must give a hold (kind "held") or a refusal (kind "refused").')
}
