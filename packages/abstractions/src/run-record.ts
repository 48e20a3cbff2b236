import type { RecordedError } from './recorded-error.ts'

/** How a slot or a run ended. */
export type RunOutcome = 'succeeded' | 'failed' | 'aborted' | 'skipped' | 'missed' | 'lost'

/** Why it ended so, where the outcome alone does not say. */
export type Reason =
  | 'overlap'
  | 'held-elsewhere'
  | 'paused'
  | 'late'
  | 'no-handler'
  | 'timeout'
  | 'stop'
  | 'cancelled'
  | 'lease-lost'
  | 'crash'

/** What a run is for: a slot on time, a late slot, the start of the manager, or a `trigger`. */
export type RunKind = 'scheduled' | 'catch-up' | 'start' | 'manual'

/** Whether a run, or a record, is of a slot; those of a start and of a `trigger` are not. */
export function isSlotRun({ kind }: { readonly kind: RunKind }): boolean {
  return kind === 'scheduled' || kind === 'catch-up'
}

/** What is kept of a decision. While a run is active its record has no `outcome` yet. */
export interface RunRecord {
  readonly runId: string
  readonly worker: string
  readonly kind: RunKind
  /** The slot; for `start` and `manual` the time they were accepted. */
  readonly scheduledFor: Date
  /** When `doWork` was first called; none for a slot that did not run. */
  readonly startedAt?: Date
  /** When the outcome was fixed: `doWork` settled, or its signal was aborted. */
  readonly finishedAt?: Date
  /** How long after its slot (and jitter) it started, or was found too late, in ms. None for what was skipped. */
  readonly lateByMs?: number
  /**
   * From its first `doWork` until its outcome was fixed, the waits for retries included, in ms; none for what did not run
   * or was lost.
   */
  readonly durationMs?: number
  /** How many slots before this one were due and not decided. Their decision is this record. */
  readonly missedSlots?: number
  /** How often `doWork` was called. */
  readonly attempts: number
  /** None while the run is active. */
  readonly outcome?: RunOutcome
  readonly reason?: Reason
  /** What the last attempt failed with, or what aborted the run or kept it from being decided. */
  readonly error?: RecordedError
  /** The instance that decided it. */
  readonly instanceId: string
  /** The run that was active when this slot was skipped. */
  readonly blockedBy?: string
  /** Who triggered or cancelled it, where that was said. */
  readonly by?: string
}

/** A record that has its outcome: of a run that is over, or was aborted, or of a slot that did not run. */
export interface FinishedRunRecord extends RunRecord {
  readonly outcome: RunOutcome
  readonly finishedAt: Date
}

/** What is known of a slot, or of a run that was asked for, before it is decided. Times in ms since the epoch. */
export interface UndecidedRun extends Pick<RunRecord, 'runId' | 'worker' | 'kind' | 'instanceId'> {
  readonly scheduledForMs: number
  readonly missedSlots: number
}

/** The record of what has not started: no attempt and, until it is added, no outcome. */
export function unstartedRecord({
  runId,
  worker,
  kind,
  scheduledForMs,
  missedSlots,
  instanceId,
}: UndecidedRun): RunRecord {
  return {
    runId,
    worker,
    kind,
    scheduledFor: new Date(scheduledForMs),
    ...(missedSlots > 0 && { missedSlots }),
    attempts: 0,
    instanceId,
  }
}

/** What a cancel adds to the record of a run that waited: it never starts. */
export function cancelledBeforeStart(by: string | undefined): Pick<FinishedRunRecord, 'outcome' | 'reason' | 'by'> {
  return { outcome: 'aborted', reason: 'cancelled', ...(by !== undefined && { by }) }
}

/** How a run ended. */
export interface RunEnd extends Pick<RunRecord, 'reason' | 'error' | 'by'> {
  readonly outcome: RunOutcome
  readonly finishedAtMs: number
  readonly durationMs: number
}

/** A run as it stands, times in ms since the epoch: what its record is made of. */
export interface StartedRun {
  readonly plan: {
    readonly worker: { readonly name: string }
    readonly runId: string
    readonly kind: RunKind
    readonly scheduledForMs: number
    readonly lateByMs: number
    readonly missedSlots: number
    readonly by: string | undefined
  }
  readonly instanceId: string
  readonly startedAtMs: number
  readonly attempts: number
  readonly end: RunEnd | undefined
}

/** The record of a run; without an outcome while the run is active. */
export function startedRecord({ plan, instanceId, startedAtMs, attempts, end }: StartedRun): RunRecord {
  return {
    runId: plan.runId,
    worker: plan.worker.name,
    kind: plan.kind,
    scheduledFor: new Date(plan.scheduledForMs),
    startedAt: new Date(startedAtMs),
    lateByMs: plan.lateByMs,
    ...(plan.missedSlots > 0 && { missedSlots: plan.missedSlots }),
    attempts,
    instanceId,
    ...(plan.by !== undefined && { by: plan.by }),
    ...(end && endOfRecord(end)),
  }
}

function endOfRecord({ finishedAtMs, ...end }: RunEnd): Partial<RunRecord> {
  return { finishedAt: new Date(finishedAtMs), ...end }
}
