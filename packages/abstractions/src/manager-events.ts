import type { HealthCode, HealthReason, HealthReport } from './health.ts'
import type { FinishedRunRecord, RunRecord } from './run-record.ts'
import type { Schedule } from './schedule.ts'

/** The events of a manager and what their listeners get. They tell what happens on this instance. */
export interface ManagerEvents {
  /** `doWork` is about to be called; before the `start` of the tracing channel. */
  'run-started': RunRecord
  /** An attempt has failed, and the next one comes at `retryAt`. `attempt` is the one that failed, from 1. */
  'run-retrying': {
    readonly worker: string
    readonly runId: string
    readonly attempt: number
    readonly error: unknown
    readonly retryAt: Date
  }
  /** A run has its outcome, `lost` included. After an abort `doWork` may still be running. */
  'run-finished': FinishedRunRecord
  /** A slot did not run: `skipped` or `missed`. */
  'run-skipped': FinishedRunRecord
  /** `add` has taken a worker up on this instance. Comes before all that the worker does, its own start too. */
  'worker-added': { readonly worker: string }
  /** The worker is forgotten here: by a call on this instance, or (without `by`) on another one. */
  'worker-removed': { readonly worker: string; readonly by?: string }
  /** By a call on this instance. */
  'worker-paused': {
    readonly worker: string
    readonly note?: string
    readonly by?: string
  }
  /** By a call on this instance. */
  'worker-resumed': { readonly worker: string; readonly by?: string }
  /** `schedule` is the one in force now. */
  'worker-rescheduled': {
    readonly worker: string
    readonly schedule: Schedule
    readonly by?: string
  }
  /** No live instance of the release in force declares the worker: it gets no slots. */
  'worker-orphaned': { readonly worker: string }
  /** The worker's own `start` threw, or was silent for longer than `startTimeoutMs`. */
  'worker-start-failed': { readonly worker: string; readonly error: unknown }
  /** Changed code declares a new schedule, so the override is gone. */
  'override-dropped': {
    readonly worker: string
    readonly override: Schedule
    readonly declared: Schedule
  }
  /** What the manager keeps of these workers was lost, or ahead of the clock, and is right again; `message` says which. */
  'schedules-repaired': {
    readonly workers: readonly string[]
    readonly message: string
  }
  /** What the manager depends on (Redis, the distributed lock) can not be reached; once per outage. */
  'store-lost': { readonly error: unknown }
  /** It is back, after so many ms. */
  'store-restored': { readonly downMs: number }
  /** The run was aborted 30 s ago and has not settled. */
  'worker-stuck': { readonly worker: string; readonly runId: string }
  /** The slot of `dueAt` has been due for over 10 s, and nobody decides it. */
  'worker-overdue': { readonly worker: string; readonly dueAt: Date }
  /** The worker is no longer stuck, overdue or start-failed. */
  'worker-recovered': { readonly worker: string }
  /** Something is wrong that was not before; all that `health` tells comes this way, except that the manager does not run. */
  'health-reason-added': HealthReason
  /** It is over; without `worker` where it was about the manager. */
  'health-reason-cleared': { readonly worker?: string; readonly code: HealthCode }
  /** The status of the health has changed. */
  'health-changed': HealthReport
}

/** The name of an event. */
export type ManagerEventName = keyof ManagerEvents
