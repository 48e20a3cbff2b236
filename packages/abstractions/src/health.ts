import type { ManagerState } from './manager.ts'

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
  /** A sentence for people: which worker, what is wrong. */
  readonly message: string
}

/** A live instance of the application. */
export interface InstanceInfo {
  readonly instanceId: string
  /** The number of the code that it runs. */
  readonly release?: number
  /** The run queues that it takes. */
  readonly queues?: readonly string[]
  /** Its last heartbeat, by the clock that all instances share. */
  readonly lastSeenAt: Date
}

/**
 * Grave:
 * - `not-running`: the manager does not run.
 * - `no-progress`: the manager's own loop does not come round when it is due (its alarm, its heartbeat).
 * - `stuck`: a run was aborted 30 s ago and does not end.
 * - `overdue`: a slot has been due for over 10 s and is not being decided.
 * - `store-lost`: Redis, or the distributed lock, can not be reached.
 *
 * The others degrade:
 * - `start-failed`: the worker's own `start` threw or was silent.
 * - `failing`: three runs in a row failed or were lost.
 * - `orphaned`: no live instance of the release in force declares it.
 * - `no-handler`: no live instance takes its queue, or a run came to an instance without the worker.
 * - `no-next-slot`: it ought to have slots, and none is to come.
 * - `never-ran`: two or more of its slots have been decided, and neither they nor anything else of it has ever run.
 * - `lost`: the process of a run died, and no run has succeeded since.
 * - `event-loop-lag`: a timer of this process came late by more than half a lease; passes after a minute without.
 * - `clock-skew`: the clock of this machine is apart from that of Redis, or (in one process) was set; passes after a minute.
 */
export type HealthCode =
  | 'not-running'
  | 'no-progress'
  | 'stuck'
  | 'overdue'
  | 'store-lost'
  | 'start-failed'
  | 'failing'
  | 'orphaned'
  | 'no-handler'
  | 'no-next-slot'
  | 'never-ran'
  | 'lost'
  | 'event-loop-lag'
  | 'clock-skew'

/** From this many failures in a row a worker is `failing`. */
export const FAILING_AFTER = 3

const GRAVE: ReadonlySet<HealthCode> = new Set(['not-running', 'no-progress', 'stuck', 'overdue', 'store-lost'])

/** Whether one reason of this kind makes the health `unhealthy`. */
export function isGrave(code: HealthCode): boolean {
  return GRAVE.has(code)
}

/**
 * A restart of this process is no cure for the others, so liveness probes should look at these only. (A slot may be `overdue`
 * because no other process decides it: to restart the one that says so would end its runs and cure nothing.)
 */
export const CURED_BY_RESTART: ReadonlySet<HealthCode> = new Set(['no-progress', 'stuck'])

/** What passes by itself (`event-loop-lag`, a clock that was set) is kept as a reason until it was fine for so long, in ms. */
export const FINE_AFTER_MS = 60_000

/** The reason of a worker that fails again and again, or none. */
export function failingReason(worker: string, consecutiveFailures: number): HealthReason | undefined {
  if (consecutiveFailures < FAILING_AFTER) return undefined
  return { worker, code: 'failing', message: `Worker "${worker}" failed ${consecutiveFailures} times in a row.` }
}

/** The report of a manager: what is wrong, and first of all that it does not run, if it does not. */
export function healthReport(
  state: ManagerState,
  wrong: readonly HealthReason[],
  instances?: readonly InstanceInfo[],
): HealthReport {
  const notRunning: HealthReason = { code: 'not-running', message: `The manager is ${state}.` }
  const reasons = state === 'running' ? wrong : [notRunning, ...wrong]
  return { status: healthStatus(reasons), reasons, ...(instances && { instances }) }
}

/** The health as a whole, judged by what is wrong. */
export function healthStatus(reasons: readonly HealthReason[]): HealthStatus {
  if (reasons.some(({ code }) => isGrave(code))) return 'unhealthy'
  return reasons.length > 0 ? 'degraded' : 'ok'
}
