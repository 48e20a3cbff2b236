import type { RunRecord, WorkerStatus } from '@background-workers/abstractions'
import { workerState } from '@background-workers/abstractions/for-managers'
import { type ManagedWorker, isPeriodic } from './managed-worker.ts'

/** What the manager knows of a worker besides its entry. */
export interface StatusFacts {
  readonly activeRun: RunRecord | undefined
  readonly isStuck: boolean
  readonly isOverdue: boolean
}

/** Says how a worker stands. */
export function describeWorker(entry: ManagedWorker, { activeRun, isStuck, isOverdue }: StatusFacts): WorkerStatus {
  const { paused, override, dueAt } = entry
  const history = entry.hasHistory ? entry.history : undefined
  return {
    name: entry.name,
    ...(isPeriodic(entry) && {
      schedule: {
        declared: entry.definition.schedule,
        ...(override && { override }),
      },
      policy: entry.definition.policy,
    }),
    state: workerState({
      isStuck,
      isRunning: activeRun !== undefined,
      isStartFailed: entry.starter.isFailed,
      isPaused: paused !== undefined,
      isOverdue,
    }),
    ...(dueAt !== undefined && { nextDueAt: new Date(dueAt) }),
    ...(paused && { paused }),
    ...(activeRun && { activeRun }),
    ...(history?.lastRun && { lastRun: history.lastRun }),
    ...(history?.lastSuccess && { lastSuccess: history.lastSuccess }),
    ...(history?.lastFailure && { lastFailure: history.lastFailure }),
    recentOutcomes: [...(history?.recentOutcomes ?? [])],
    consecutiveFailures: history?.consecutiveFailures ?? 0,
  }
}
