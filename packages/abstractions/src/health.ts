/** What `health` says: `unhealthy` when a reason is grave, `degraded` when there is any, else `ok`. */
export interface HealthReport {
  readonly status: HealthStatus
  readonly reasons: readonly HealthReason[]
  /** The live instances of the application, where the manager can know them. */
  readonly instances?: readonly InstanceInfo[]
}

/** The health as a whole. */
export type HealthStatus = 'ok' | 'degraded' | 'unhealthy'

/** One thing that is wrong, with the worker that it is about, if it is about one. */
export interface HealthReason {
  readonly worker?: string
  readonly code: HealthCode
  readonly message: string
}

/** A live instance of the application. */
export interface InstanceInfo {
  readonly instanceId: string
  readonly release?: number
  readonly queues?: readonly string[]
  readonly lastSeenAt: Date
}

/**
 * Grave: `not-running` (the manager), `stuck` (an aborted run does not end), `overdue` (a slot is not being decided),
 * `store-lost`. The others degrade: `start-failed`, `failing` (3 failures in a row), `orphaned`, `no-handler`, `clock-skew`.
 */
export type HealthCode =
  | 'not-running'
  | 'stuck'
  | 'overdue'
  | 'store-lost'
  | 'start-failed'
  | 'failing'
  | 'orphaned'
  | 'no-handler'
  | 'clock-skew'

/** From this many failures in a row a worker is `failing`. */
export const FAILING_AFTER = 3

const GRAVE: ReadonlySet<HealthCode> = new Set(['not-running', 'stuck', 'overdue', 'store-lost'])

/** A restart of the process is no cure for the others, so liveness probes should look at these only. */
export const CURED_BY_RESTART: ReadonlySet<HealthCode> = new Set(['stuck', 'overdue'])

/** The health as a whole, judged by what is wrong. */
export function healthStatus(reasons: readonly HealthReason[]): HealthStatus {
  if (reasons.some(({ code }) => GRAVE.has(code))) return 'unhealthy'
  return reasons.length > 0 ? 'degraded' : 'ok'
}
