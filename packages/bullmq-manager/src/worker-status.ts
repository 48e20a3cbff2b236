import { type WorkerStatus, nextDueAt } from '@background-workers/abstractions'
import { workerState } from '@background-workers/abstractions/for-managers'
import type { ManagedWorker } from './managed-worker.ts'
import type { StoredWorker } from './stored-worker.ts'

/** A slot that has not been decided so long after it was due means that no instance takes the ticks. */
const OVERDUE_AFTER_MS = 10_000

/** What is known here of a worker besides what Redis holds. */
export interface StatusFacts {
  /** Redis time. */
  readonly now: number
  /** The worker, if it was added here. */
  readonly entry: ManagedWorker | undefined
  /** Whether a live instance takes the worker's queue. */
  readonly hasHandler: boolean
}

/** Says how a worker stands, by what Redis holds. */
export function describeStored(stored: StoredWorker, { now, entry, hasHandler }: StatusFacts): WorkerStatus {
  const { definition, override, paused, active, orphanedAt } = stored
  const activeRun = active?.record ?? stored.waiting
  const schedule = definition && (override?.schedule ?? definition.schedule)
  const isScheduled = schedule !== undefined && paused === undefined && orphanedAt === undefined
  const dueAt = isScheduled ? nextDueAt(schedule, Math.max(now, stored.decidedUpTo ?? now), stored.name) : undefined
  return {
    name: stored.name,
    ...(definition && {
      schedule: { declared: definition.schedule, ...(override && { override }) },
      policy: definition.policy,
    }),
    state: workerState({
      isStuck: active !== undefined && stored.stuckRunId === active.record.runId,
      isRunning: activeRun !== undefined,
      isStartFailed: entry?.starter.isFailed ?? false,
      isOrphaned: orphanedAt !== undefined,
      hasNoHandler: !hasHandler,
      isPaused: paused !== undefined,
      isOverdue: isOverdue(stored, now),
    }),
    ...(dueAt !== undefined && { nextDueAt: new Date(dueAt) }),
    ...(paused && { paused }),
    ...(activeRun && { activeRun }),
    ...(stored.lastRun && { lastRun: stored.lastRun }),
    ...(stored.lastSuccess && { lastSuccess: stored.lastSuccess }),
    ...(stored.lastFailure && { lastFailure: stored.lastFailure }),
    recentOutcomes: stored.recentOutcomes,
    consecutiveFailures: stored.consecutiveFailures,
  }
}

/** A slot is due and nobody has decided it. */
export function isOverdue(stored: StoredWorker, now: number): boolean {
  const first = firstUndecided(stored)
  return first !== undefined && now - first.getTime() > OVERDUE_AFTER_MS
}

/** The first slot that is not decided; none while nothing is owed. */
export function firstUndecided({
  name,
  definition,
  override,
  paused,
  orphanedAt,
  removedAt,
  decidedUpTo,
}: StoredWorker): Date | undefined {
  const owesNothing = paused !== undefined || orphanedAt !== undefined || removedAt !== undefined
  if (!definition || owesNothing || decidedUpTo === undefined) return undefined
  const first = nextDueAt(override?.schedule ?? definition.schedule, decidedUpTo, name)
  return first === undefined ? undefined : new Date(first)
}

/** A worker that only this instance knows: it has no schedule, or the manager does not run. */
export function describeLocal(entry: ManagedWorker): WorkerStatus {
  const { definition, starter } = entry
  return {
    name: definition.name,
    ...(definition.kind === 'periodic' && { schedule: { declared: definition.schedule }, policy: definition.policy }),
    state: starter.isFailed ? 'start-failed' : 'idle',
    recentOutcomes: [],
    consecutiveFailures: 0,
  }
}
