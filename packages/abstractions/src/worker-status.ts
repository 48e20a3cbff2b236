import type { PauseInfo } from './pause-info.ts'
import type { FilledPolicy } from './policy.ts'
import type { RunOutcome, RunRecord } from './run-record.ts'
import type { Schedule } from './schedule.ts'
import type { ScheduleOverride } from './schedule-override.ts'
import type { PeriodicWorkerDefinition } from './worker-definition.ts'

/** How a worker stands. The first that applies, in this order: stuck, running, start-failed, orphaned, no-handler, paused, overdue, idle. */
export type WorkerState =
  | 'idle'
  | 'running'
  | 'paused'
  | 'stuck'
  | 'overdue'
  | 'orphaned'
  | 'no-handler'
  | 'start-failed'

/** What `list` and `get` say of a worker. */
export interface WorkerStatus {
  readonly name: string
  /** None for a worker that only starts and stops. */
  readonly schedule?: {
    /** What the code says. */
    readonly declared: Schedule
    /** What `reschedule` says; in force while it is there. */
    readonly override?: ScheduleOverride
  }
  readonly policy?: FilledPolicy
  readonly state: WorkerState
  /** The next slot; none while paused or while the manager does not run. */
  readonly nextDueAt?: Date
  readonly paused?: PauseInfo
  /** The active run; without `startedAt` while it waits for its jitter or its lock. */
  readonly activeRun?: RunRecord
  /** The last run that has an outcome. */
  readonly lastRun?: RunRecord
  readonly lastSuccess?: RunRecord
  readonly lastFailure?: RunRecord
  /** The outcomes of up to 60 records, runs and non-runs, oldest first. */
  readonly recentOutcomes: readonly RunOutcome[]
  /** How many runs in a row ended `failed` or `lost`; an aborted run leaves it as it is. */
  readonly consecutiveFailures: number
}

/** How many outcomes `recentOutcomes` holds. */
export const RECENT_OUTCOMES = 60

/** A slot that has not been decided so long after it was due means that nobody decides, in ms. */
export const OVERDUE_AFTER_MS = 10_000

/** What a manager knows of a worker; `undefined` is "none". */
export interface WorkerFacts extends Omit<WorkerStateFacts, 'isRunning' | 'isPaused'> {
  readonly name: string
  /** None for a worker that only starts and stops. */
  readonly declared: Pick<PeriodicWorkerDefinition, 'schedule' | 'policy'> | undefined
  readonly override?: ScheduleOverride | undefined
  readonly paused?: PauseInfo | undefined
  /** In ms since the epoch. */
  readonly nextDueAtMs?: number | undefined
  readonly activeRun?: RunRecord | undefined
  readonly lastRun?: RunRecord | undefined
  readonly lastSuccess?: RunRecord | undefined
  readonly lastFailure?: RunRecord | undefined
  readonly recentOutcomes?: readonly RunOutcome[] | undefined
  readonly consecutiveFailures?: number | undefined
}

/** Says how a worker stands, by what its manager knows of it. */
export function workerStatus(facts: WorkerFacts): WorkerStatus {
  const { name, declared, override, paused, nextDueAtMs, activeRun, lastRun, lastSuccess, lastFailure } = facts
  return {
    name,
    ...(declared && {
      schedule: { declared: declared.schedule, ...(override && { override }) },
      policy: declared.policy,
    }),
    state: workerState({ ...facts, isRunning: activeRun !== undefined, isPaused: paused !== undefined }),
    ...(nextDueAtMs !== undefined && { nextDueAt: new Date(nextDueAtMs) }),
    ...(paused && { paused }),
    ...(activeRun && { activeRun }),
    ...(lastRun && { lastRun }),
    ...(lastSuccess && { lastSuccess }),
    ...(lastFailure && { lastFailure }),
    recentOutcomes: [...(facts.recentOutcomes ?? [])],
    consecutiveFailures: facts.consecutiveFailures ?? 0,
  }
}

/** What a state is judged by. */
interface WorkerStateFacts {
  readonly isStuck: boolean
  readonly isRunning: boolean
  readonly isStartFailed: boolean
  readonly isPaused: boolean
  readonly isOverdue: boolean
  readonly isOrphaned?: boolean
  readonly hasNoHandler?: boolean
}

/** The one place where the order of the states is decided. */
function workerState(facts: WorkerStateFacts): WorkerState {
  if (facts.isStuck) return 'stuck'
  if (facts.isRunning) return 'running'
  if (facts.isStartFailed) return 'start-failed'
  if (facts.isOrphaned) return 'orphaned'
  if (facts.hasNoHandler) return 'no-handler'
  if (facts.isPaused) return 'paused'
  if (facts.isOverdue) return 'overdue'
  return 'idle'
}
