import type { Clock, IDistributedLock, LockHold, LockRefusal, LockRequest } from '@background-workers/abstractions'
import {
  ABORT_GRACE_MS,
  type EventHub,
  type SafeLogger,
  type HealthMonitor,
  Run,
  StoreOutage,
  describeError,
  setLongTimer,
  waitFor,
} from '@background-workers/abstractions/for-managers'
import { LockWait, type LockWaiter, SILENT_AFTER_MS } from './lock-wait.ts'

/** How often a lock that could not be reached is looked for, so that it is back also when no slot asks. */
const PROBE_MS = 5_000

/** What the locks of a manager share with it. */
export interface WorkerLocksParts {
  readonly lock: IDistributedLock
  readonly clock: Clock
  readonly logger: SafeLogger
  readonly events: EventHub
  readonly health: HealthMonitor
}

/** The manager's side of a distributed lock: asks again while it can not be reached, and says once that, and once when it is back. */
export class WorkerLocks {
  readonly #parts: WorkerLocksParts
  /** Calls of the lock that have not been answered, and when each was made, on the monotonic clock. */
  readonly #calls = new Map<Promise<unknown>, number>()
  readonly #outage: StoreOutage
  #clearProbe = () => {}
  /** Requests are counted: a failure of one that is older than an answer, or than a stop, says nothing any more. */
  #asked = 0
  #answered = 0

  constructor(parts: WorkerLocksParts) {
    this.#parts = parts
    this.#outage = new StoreOutage(parts)
  }

  /** Asks for a lock before it returns. A hold that comes after the end of the wait is given back. */
  wait(waiter: LockWaiter): LockWait {
    const wait = new LockWait(waiter, {
      clock: this.#parts.clock,
      ask: () => this.#ask(waiter.request),
      release: (hold) => this.release(hold),
      lost: (error) => this.#lost(error),
    })
    // A run that triggers another is not the one that this lock is for.
    Run.outside(() => wait.start())
    return wait
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

  /** Says that nobody waits for the run any more that holds it; what goes wrong is logged. */
  leave(hold: LockHold): void {
    this.#call(async () => hold.leave?.()).catch((err: unknown) => {
      this.#parts.logger.error({ err }, 'a lock could not be told that nobody waits for its run any more')
    })
  }

  /**
   * After the last run: waits until the lock has answered all calls, and forgets that it could not be reached. It does not wait
   * beyond the deadline of the stop (by the monotonic clock), or the 1 s after it that what was aborted then has to end. A hold
   * that comes later is given back all the same.
   */
  async stop(deadline: number): Promise<void> {
    const now = this.#parts.clock.monotonicNow()
    const endsAt = now < deadline ? deadline : deadline + ABORT_GRACE_MS
    await this.answered(Math.min(SILENT_AFTER_MS, endsAt - now))
    this.#answered = this.#asked
    this.#clearProbe()
    this.#outage.forget()
  }

  /** Waits until the lock has answered all calls, or for so long. */
  async answered(timeoutMs: number): Promise<void> {
    this.#forgetSilent()
    const answered = async () => {
      while (this.#calls.size > 0) await Promise.allSettled(this.#calls.keys())
    }
    if (this.#calls.size > 0 && timeoutMs > 0) await waitFor(answered(), timeoutMs, this.#parts.clock)
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
    this.#forgetSilent()
    this.#calls.set(answer, this.#parts.clock.monotonicNow())
    const forget = () => void this.#calls.delete(answer)
    answer.then(forget, forget)
    return answer
  }

  /** Nobody waits any more for a call that is silent for so long. An answer that comes all the same counts. */
  #forgetSilent(): void {
    const now = this.#parts.clock.monotonicNow()
    for (const [answer, calledAt] of this.#calls) {
      if (now - calledAt < SILENT_AFTER_MS) return
      this.#calls.delete(answer)
    }
  }

  #lost(error: unknown): void {
    const isNew = this.#outage.lost(
      error,
      'the distributed lock can not be reached, slots wait for it',
      `The distributed lock can not be reached, so nothing runs: ${describeError(error).message}`,
    )
    if (isNew) this.#probeLater()
  }

  #probeLater(): void {
    const { lock, clock } = this.#parts
    if (!lock.ping) return
    this.#clearProbe = setLongTimer(clock, () => this.#probe(), PROBE_MS)
  }

  /** The next one does not wait for the answer to this one, which may never come. */
  #probe(): void {
    this.#probeLater()
    const { lostAt } = this.#outage
    const answered = () => {
      // A request may have been answered meanwhile, or the manager was stopped.
      if (this.#outage.lostAt === lostAt) this.#restored()
    }
    this.#call(async () => this.#parts.lock.ping?.()).then(answered, () => {})
  }

  #restored(): void {
    if (this.#outage.restored('the distributed lock is back')) this.#clearProbe()
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
