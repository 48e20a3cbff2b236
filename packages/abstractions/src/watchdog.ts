import type { HealthCode, HealthReason } from './health.ts'
import type { RunOutcome } from './run-record.ts'
import { OVERDUE_AFTER_MS } from './worker-status.ts'

/** What a watchdog can find wrong with a worker. */
export type WatchedCode = Extract<
  HealthCode,
  'overdue' | 'no-next-slot' | 'never-ran' | 'lost' | 'orphaned' | 'no-handler'
>

/** All of them. */
export const WATCHED_CODES: ReadonlySet<HealthCode> = new Set<WatchedCode>([
  'overdue',
  'no-next-slot',
  'never-ran',
  'lost',
  'orphaned',
  'no-handler',
])

/** What a worker is judged by. */
export interface WatchedWorker {
  readonly name: string
  /** Whether it ought to have slots: it is periodic and ready, not paused, and its manager runs. */
  readonly isScheduled: boolean
  /** Its first slot that is not decided, in ms since the epoch. */
  readonly dueAtMs: number | undefined
  /** Why it gets no slots although its schedule has some. */
  readonly isSilentBecause?: string | undefined
  readonly isOrphaned?: boolean
  readonly hasNoHandler?: boolean
  /** Whether anything of it has ever started, here or elsewhere. */
  readonly hasRun: boolean
  /** Oldest first. */
  readonly recentOutcomes: readonly RunOutcome[]
}

/** A finding: a health reason, and the slot that it is about. */
export interface Finding extends HealthReason {
  readonly worker: string
  readonly code: WatchedCode
  readonly dueAt?: Date
}

/** So many slots without a run mean that it never ran. */
const NEVER_RAN_AFTER = 2

/**
 * Judges what is wrong with the slots and runs of a worker. Every manager obeys it, so none calls the same thing by another
 * name. Slots that nobody decides are `overdue`; that there are none is `no-next-slot`; slots that are decided and never run
 * are `never-ran`: a silent worker is one of the three.
 */
export function findWrong(worker: WatchedWorker, now: number): Finding[] {
  const { name, dueAtMs, recentOutcomes } = worker
  const found: Finding[] = []
  const add = (code: WatchedCode, message: string, dueAt?: Date) =>
    found.push({ worker: name, code, message: `Worker "${name}" ${message}`, ...(dueAt && { dueAt }) })

  if (isLost(recentOutcomes)) found.push(lostReason(name))
  if (worker.isOrphaned) add('orphaned', 'is declared by no live instance of the release in force.')
  else if (worker.hasNoHandler) add('no-handler', 'has a queue that no live instance takes.')
  if (!worker.isScheduled || worker.isOrphaned) return found

  if (worker.isSilentBecause !== undefined) add('no-next-slot', `has no next slot: ${worker.isSilentBecause}`)
  else if (dueAtMs === undefined) add('no-next-slot', 'has no next slot: its schedule has come to an end.')
  if (dueAtMs !== undefined && now - dueAtMs > OVERDUE_AFTER_MS) {
    const dueAt = new Date(dueAtMs)
    add('overdue', `has a slot that nobody has decided: it was due at ${dueAt.toISOString()}.`, dueAt)
  }
  if (!worker.hasRun && !worker.hasNoHandler && recentOutcomes.length >= NEVER_RAN_AFTER) {
    add('never-ran', `has never run: its last ${recentOutcomes.length} slots were skipped or missed.`)
  }
  return found
}

/** The reason of a worker whose run was lost, until one succeeds. */
export function lostReason(worker: string): Finding {
  const message = `Worker "${worker}" lost a run: its process died. No run has succeeded since.`
  return { worker, code: 'lost', message }
}

/** Whether a run was lost after the last that succeeded. */
function isLost(outcomes: readonly RunOutcome[]): boolean {
  // Asked twice for each run, and nearly all succeed.
  if (outcomes.at(-1) === 'succeeded') return false
  return outcomes.findLast((outcome) => outcome === 'lost' || outcome === 'succeeded') === 'lost'
}
