import type { HealthCode, HealthReason, HealthReport } from './health.ts'
import type { RunRecord } from './run-record.ts'
import type { Schedule } from './schedule.ts'

/** The events of a manager and what their listeners get. They tell what happens on this instance. */
export interface ManagerEvents {
  /** `doWork` is about to be called; before the `start` of the tracing channel. */
  'run-started': RunRecord
  'run-retrying': {
    readonly worker: string
    readonly runId: string
    readonly attempt: number
    readonly error: unknown
    readonly retryAt: Date
  }
  /** A run has its outcome, `lost` included. After an abort `doWork` may still be running. */
  'run-finished': RunRecord
  /** A slot did not run: `skipped` or `missed`. */
  'run-skipped': RunRecord
  'worker-added': { readonly worker: string }
  'worker-removed': { readonly worker: string; readonly by?: string }
  'worker-paused': {
    readonly worker: string
    readonly note?: string
    readonly by?: string
  }
  'worker-resumed': { readonly worker: string; readonly by?: string }
  /** `schedule` is the one in force now. */
  'worker-rescheduled': {
    readonly worker: string
    readonly schedule: Schedule
    readonly by?: string
  }
  'worker-orphaned': { readonly worker: string }
  'worker-start-failed': { readonly worker: string; readonly error: unknown }
  /** Changed code declares a new schedule, so the override is gone. */
  'override-dropped': {
    readonly worker: string
    readonly override: Schedule
    readonly declared: Schedule
  }
  'schedules-repaired': {
    readonly workers: readonly string[]
    readonly message: string
  }
  'store-lost': { readonly error: unknown }
  'store-restored': { readonly downMs: number }
  'worker-stuck': { readonly worker: string; readonly runId: string }
  'worker-overdue': { readonly worker: string; readonly dueAt: Date }
  /** The worker is no longer stuck, overdue or start-failed. */
  'worker-recovered': { readonly worker: string }
  /** Something is wrong that was not before; all that `health` tells comes this way, except that the manager does not run. */
  'health-reason-added': HealthReason
  'health-reason-cleared': { readonly worker?: string; readonly code: HealthCode }
  /** The status of the health has changed. */
  'health-changed': HealthReport
}

/** The name of an event. */
export type ManagerEventName = keyof ManagerEvents
