import type { Disturbance } from './allowances.ts'
import type { Body, History, Span } from './history.ts'
import type { SlotFacts } from './slot-facts.ts'
import type { TortureWorker } from './workers.ts'

/** What is known of one worker. */
export interface WorkerCase {
  readonly worker: TortureWorker
  readonly history: History
  readonly bodies: readonly Body[]
  readonly slots: ReadonlyMap<number, SlotFacts>
  readonly disturbances: readonly Disturbance[]
  readonly heldUp: readonly Span[]
}

/** The kinds of broken promises. */
export type ViolationKind =
  /** A slot that nothing was decided of. */
  | 'undecided'
  /** A slot of which two things were decided: it ran and was skipped, say, or a later record counts it all the same. */
  | 'decided-twice'
  /** A run that was started more often than its policy allows. */
  | 'ran-twice'
  /** Two runs of a worker at the same time, without a lost lease. */
  | 'overlap'
  /** A slot that was decided late, missed, or lost, and nothing held it up. */
  | 'late'
  /** A worker that had no slot decided on time for so long that no fault excuses it. */
  | 'silent'
  /** A run that began before its slot. */
  | 'early'
  /** A run that began later than its catch-up window allows. */
  | 'outside-window'
  /** A slot that was skipped for a run that was not there. */
  | 'skipped-without-cause'
  /** A run that the store has no record of. */
  | 'without-record'
  /** A record that stays without an outcome. */
  | 'without-outcome'
  /** A run that took longer than its timeout, and its signal was not aborted. */
  | 'timeout-ignored'
  /** A process that reported an error which nobody caught, or did not end. */
  | 'problem'

/** A promise that was broken. */
export interface Violation {
  readonly kind: ViolationKind
  readonly worker: string | undefined
  /** When, or about which slot. */
  readonly at: number
  readonly message: string
}

/** One that concerns the worker. */
export function violation(worker: TortureWorker, kind: ViolationKind, at: number, message: string): Violation {
  return { kind, worker: worker.name, at, message: `${worker.name}: ${message}` }
}
