import type { WorkerStatus } from '@background-workers/abstractions'
import {
  OVERDUE_AFTER_MS,
  effectiveSchedule,
  nextDueAt,
  workerStatus,
} from '@background-workers/abstractions/for-managers'
import type { ManagedWorker } from './managed-worker.ts'
import type { KnownWorker } from './stored-worker.ts'

/** What is known here of a worker besides what Redis holds. */
export interface StatusFacts {
  /** Redis time. */
  readonly now: number
  /** The worker, if it was added here. */
  readonly entry: ManagedWorker | undefined
  /** Whether a live instance takes the worker's queue. */
  readonly hasHandler: boolean
  /** Whether a job scheduler that is not ours has its name, so that it has no ticks. */
  readonly isForeign: boolean
}

/** Says how a worker stands, by what Redis holds. */
export function describeStored(stored: KnownWorker, { now, entry, hasHandler, isForeign }: StatusFacts): WorkerStatus {
  const { name, definition, paused, active, orphanedAt } = stored
  const isScheduled = paused === undefined && orphanedAt === undefined
  const firstAt = isScheduled ? firstUndecided(stored, now) : undefined
  const isDue = firstAt !== undefined && firstAt <= now
  const nextAt = isDue ? nextDueAt(effectiveSchedule(stored), now, name) : firstAt
  return workerStatus({
    ...stored,
    declared: definition,
    nextDueAtMs: isForeign ? undefined : nextAt,
    activeRun: active?.record ?? stored.waiting,
    isStuck: active !== undefined && stored.stuckRunId === active.record.runId,
    isStartFailed: entry?.startState === 'failed',
    isOrphaned: orphanedAt !== undefined,
    hasNoHandler: !hasHandler,
    // Nobody has decided it.
    isOverdue: isDue && now - firstAt > OVERDUE_AFTER_MS,
  })
}

/** A worker that only this instance knows: it has no schedule, or the manager does not run. */
export function describeLocal({ definition, startState }: ManagedWorker): WorkerStatus {
  return workerStatus({
    name: definition.name,
    declared: definition.kind === 'periodic' ? definition : undefined,
    isStuck: false,
    isStartFailed: startState === 'failed',
    isOverdue: false,
  })
}

/** The first slot that is not decided, in ms since the epoch; nothing when there is none. */
export function firstUndecided(stored: KnownWorker, now: number): number | undefined {
  return nextDueAt(effectiveSchedule(stored), stored.decidedUpTo ?? now, stored.name)
}
