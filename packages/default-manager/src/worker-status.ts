import type { RunRecord, WorkerStatus } from '@background-workers/abstractions'
import { isPeriodic, workerStatus } from '@background-workers/abstractions/for-managers'
import type { ManagedWorker } from './managed-worker.ts'

/** What the manager knows of a worker besides its entry. */
export interface StatusFacts {
  readonly activeRun: RunRecord | undefined
  readonly isStuck: boolean
  readonly isOverdue: boolean
}

/** Says how a worker stands. */
export function describeWorker(entry: ManagedWorker, facts: StatusFacts): WorkerStatus {
  const { name, override, paused, dueAt, startState } = entry
  const history = entry.hasHistory ? entry.history : undefined
  return workerStatus({
    ...facts,
    name,
    declared: isPeriodic(entry) ? entry.definition : undefined,
    override,
    paused,
    nextDueAtMs: dueAt,
    isStartFailed: startState === 'failed',
    lastRun: history?.lastRun,
    lastSuccess: history?.lastSuccess,
    lastFailure: history?.lastFailure,
    recentOutcomes: history?.recentOutcomes,
    consecutiveFailures: history?.consecutiveFailures,
  })
}
