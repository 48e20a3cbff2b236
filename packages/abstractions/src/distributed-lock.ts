/**
 * Keeps two instances of an application from running the same worker at a time, and the same slot one after the other.
 *
 * A lock alone does not do the second: an instance whose clock is late comes to a slot when the run of another has ended
 * and its lock is free. So a slot is claimed with the lock, and its claim outlives the run and expires.
 *
 * The suite `distributedLockContract` in `abstractions/testing` defines it.
 */
export interface IDistributedLock {
  /**
   * How long a lock outlives a holder that can not renew it, in ms; none where locks do not expire. A manager warns of an
   * event loop that stands still for more than half of it.
   */
  readonly leaseMs?: number

  /**
   * Takes the lock of a worker for a run and, if the request names a slot, claims that. It never waits for a lock: it says
   * at once that another run holds it, or that the slot is claimed. Whoever claims a slot and does not get the lock after
   * all, or dies before the run starts, has used the slot up; the next one runs.
   *
   * @throws StoreUnavailableError when the store can not be asked, or does not answer. Asked again for the same slot,
   *   a claim whose answer was lost is granted. A call may come while the one before it is unanswered; it is not refused
   *   on account of that one's claim, unless that is granted.
   */
  acquire(request: LockRequest): Promise<LockHold | LockRefusal>

  /**
   * Resolves when locks can be granted, and rejects while they can not: it needs of the store what `acquire` needs, so a store
   * that answers and takes no writes rejects. A manager that could not reach the lock asks every 5 s: without it, it finds out
   * with the next slot that the lock is back.
   */
  ping?(): Promise<void>
}

/** What is to be locked. */
export interface LockRequest {
  readonly worker: string
  /** Whom the others are told of. */
  readonly runId: string
  /** None for a run that is for no slot (`manual`, `start`). */
  readonly slot?: SlotToClaim
}

/** A slot that is to be claimed. */
export interface SlotToClaim {
  /** In ms since the epoch: the same on every instance. */
  readonly dueAt: number
  /** How long after that an instance may still start it, in ms (its window). The claim is kept for so long, and `slotClaimTtlMs` more. */
  readonly startableForMs: number
}

/** The lock of a worker, held for one run until `release`. */
export interface LockHold {
  readonly kind: 'held'
  /** Aborted with a `LeaseLostError` when the lock is lost: before another can have it, where the holder can know that. */
  readonly signal: AbortSignal
  /** Gives the lock back once the run has settled. A second call shares the first one. Never rejects: a lock that can not be given back expires. */
  release(): Promise<void>
  /**
   * Nobody waits for this run any more: its `doWork` itself waits for the manager to stop, or the stop has given up on it. It
   * goes on and its lock is renewed as before; `release` comes if it ever settles. A lock that waits for its runs, as in a
   * dispose, needs it: it must not wait for this one, also when the manager is started again. May be called again.
   */
  leave?(): void
}

/** The lock is held, or the slot was claimed before. */
export interface LockRefusal {
  readonly kind: 'refused'
  /** The run that holds the lock, where the lock knows it; none when it was the slot. */
  readonly blockedBy?: string
}

/** How long a claim outlives the time in which its slot may start, in ms, unless the lock's options say otherwise: 10 min. */
export const DEFAULT_SLOT_CLAIM_TTL_MS = 600_000
