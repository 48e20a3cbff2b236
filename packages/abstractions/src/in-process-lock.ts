import { checkOptions, hasMethods, isWhole } from './checks.ts'
import { type Clock, systemClock } from './clock.ts'
import {
  DEFAULT_SLOT_CLAIM_TTL_MS,
  type IDistributedLock,
  type LockHold,
  type LockRefusal,
  type LockRequest,
  type SlotToClaim,
} from './distributed-lock.ts'
import { LeaseLostError } from './errors.ts'

/** How often claims that have expired are looked for, in ms. They expire in no order, as each slot has a window of its own. */
const FORGET_EVERY_MS = 60_000

/** What the in-process lock takes. */
export interface InProcessLockOptions {
  /** How long a claim outlives the time in which its slot may start, in ms. @default 600_000 (10 min) */
  readonly slotClaimTtlMs?: number | undefined
  /** By whose monotonic time claims expire. @default the system's clock */
  readonly clock?: Clock | undefined
}

/**
 * A lock in the memory of this process: for several managers in one process, and for tests of what a manager does with a
 * lock. It reaches no other process.
 */
export class InProcessLock implements IDistributedLock {
  readonly #slotClaimTtlMs: number
  readonly #clock: Clock
  readonly #holds = new Map<string, InProcessHold>()
  /** By worker and slot: when the claim expires, on the monotonic clock. */
  readonly #claims = new Map<string, Map<number, number>>()
  /** When expired claims are looked for, on the monotonic clock. */
  #forgetsAt = 0

  /** @throws InvalidOptionsError */
  constructor(options: InProcessLockOptions = {}) {
    checkOptions('InProcessLock', options, {
      slotClaimTtlMs: isWhole(0, Number.MAX_SAFE_INTEGER, 'ms'),
      clock: hasMethods('now', 'monotonicNow', 'setTimer', 'clearTimer'),
    })
    this.#slotClaimTtlMs = options.slotClaimTtlMs ?? DEFAULT_SLOT_CLAIM_TTL_MS
    this.#clock = options.clock ?? systemClock
  }

  async acquire({ worker, runId, slot }: LockRequest): Promise<LockHold | LockRefusal> {
    const holder = this.#holds.get(worker)
    if (holder) return { kind: 'refused', blockedBy: holder.runId }
    if (slot && !this.#claim(worker, slot)) return { kind: 'refused' }
    const hold = new InProcessHold(runId, () => {
      if (this.#holds.get(worker) === hold) this.#holds.delete(worker)
    })
    this.#holds.set(worker, hold)
    return hold
  }

  /** Takes a worker's lock from whoever holds it, as a store does that loses it: for tests. Gives `false` when nobody holds it. */
  lose(worker: string): boolean {
    const hold = this.#holds.get(worker)
    this.#holds.delete(worker)
    hold?.lose(new LeaseLostError(worker, hold.runId))
    return hold !== undefined
  }

  #claim(worker: string, { dueAt, startableForMs }: SlotToClaim): boolean {
    const now = this.#clock.monotonicNow()
    if (now >= this.#forgetsAt) this.#forgetExpired(now)
    const claims = this.#claims.get(worker) ?? new Map<number, number>()
    this.#claims.set(worker, claims)
    if ((claims.get(dueAt) ?? now) > now) return false
    claims.set(dueAt, now + startableForMs + this.#slotClaimTtlMs)
    return true
  }

  /** Of all workers: one that was removed claims nothing any more. */
  #forgetExpired(now: number): void {
    this.#forgetsAt = now + FORGET_EVERY_MS
    for (const [worker, claims] of this.#claims) {
      for (const [dueAt, expiresAt] of claims) if (expiresAt <= now) claims.delete(dueAt)
      if (claims.size === 0) this.#claims.delete(worker)
    }
  }
}

class InProcessHold implements LockHold {
  readonly kind = 'held'
  readonly runId: string
  readonly #controller = new AbortController()
  readonly #released: () => void

  constructor(runId: string, released: () => void) {
    this.runId = runId
    this.#released = released
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  lose(error: LeaseLostError): void {
    this.#controller.abort(error)
  }

  async release(): Promise<void> {
    this.#released()
  }
}
