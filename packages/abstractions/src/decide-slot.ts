import type { Slot } from './due-slot.ts'
import type { FilledPolicy } from './policy.ts'
import type { FinishedRunRecord } from './run-record.ts'
import { stableHash } from './stable-hash.ts'

/** What a decision needs to know of a worker. */
export interface SlotOwner {
  readonly name: string
  readonly policy: FilledPolicy
}

/** How the worker stands when its slot is decided. */
export interface WorkerRunState {
  readonly paused: boolean
  /** The run that is active, or waits for its jitter or its retry. */
  readonly activeRunId?: string | undefined
}

/** What becomes of a slot. */
export type SlotDecision =
  /** Not due yet (a timer fired early): ask again at `until`. */
  | { readonly kind: 'wait'; readonly until: number }
  /** Run it, not before `startAt` (later than the slot when the policy has a jitter). */
  | {
      readonly kind: 'run'
      readonly runKind: 'scheduled' | 'catch-up'
      readonly startAt: number
      readonly lateByMs: number
    }
  /** Do not run it. A pause leaves no record, except for a slot that was already waiting for its jitter. */
  | {
      readonly kind: 'skip'
      readonly reason: 'paused' | 'overlap'
      readonly blockedBy?: string
    }
  /** Too late: record it as missed. */
  | {
      readonly kind: 'miss'
      readonly reason: 'late'
      readonly lateByMs: number
    }

/** A slot that starts later than this is a late one. */
export const LATE_AFTER_MS = 1_000

/** Decides what becomes of a slot that has come due. Every manager obeys it, so none behaves differently. */
export function decideSlot(owner: SlotOwner, state: WorkerRunState, slot: Slot, now: number): SlotDecision {
  if (now < slot.dueAt) return { kind: 'wait', until: slot.dueAt }
  if (state.paused) return { kind: 'skip', reason: 'paused' }
  if (state.activeRunId !== undefined) return { kind: 'skip', reason: 'overlap', blockedBy: state.activeRunId }
  const { startAt, latestStartAt } = startWindow(owner, slot)
  const lateByMs = Math.max(0, now - startAt)
  if (now > latestStartAt) return { kind: 'miss', reason: 'late', lateByMs }
  const isCatchUp = lateByMs > LATE_AFTER_MS || slot.missedSlots > 0
  return {
    kind: 'run',
    runKind: isCatchUp ? 'catch-up' : 'scheduled',
    startAt: Math.max(startAt, now),
    lateByMs,
  }
}

/** When a slot may start: at the earliest with its jitter, at the latest before it is missed. In ms since the epoch. */
export function startWindow(
  owner: SlotOwner,
  slot: Slot,
): { readonly startAt: number; readonly latestStartAt: number } {
  const { policy } = owner
  const gapMs = slot.nextDueAt === undefined ? Number.POSITIVE_INFINITY : slot.nextDueAt - slot.dueAt
  const startAt = slot.dueAt + jitterOf(owner, slot.dueAt, gapMs)
  const onTimeMs = Math.min(LATE_AFTER_MS, gapMs / 2)
  const windowMs = Math.max(policy.catchUpWindowMs ?? Math.min(gapMs / 2, 3_600_000), onTimeMs)
  const mostLateMs = policy.misfire === 'skip' ? Math.min(windowMs, LATE_AFTER_MS) : windowMs
  return { startAt, latestStartAt: startAt + mostLateMs }
}

/** What the record of a slot says that does not run. */
export function nonRunOf(
  decision: Extract<SlotDecision, { kind: 'skip' | 'miss' }>,
): Pick<FinishedRunRecord, 'outcome' | 'reason' | 'blockedBy' | 'lateByMs'> {
  if (decision.kind === 'miss') return { outcome: 'missed', reason: decision.reason, lateByMs: decision.lateByMs }
  const { reason, blockedBy } = decision
  return { outcome: 'skipped', reason, ...(blockedBy !== undefined && { blockedBy }) }
}

/** The same on every instance and after every restart; always below the gap to the next slot. */
function jitterOf({ name, policy }: SlotOwner, dueAt: number, gapMs: number): number {
  const jitterMs = Math.min(policy.jitterMs, gapMs - 1)
  return jitterMs > 0 ? stableHash(`${name}@${dueAt}`) % (jitterMs + 1) : 0
}
