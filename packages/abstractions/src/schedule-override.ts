import type { Given } from './given-options.ts'
import type { ByOption } from './manager.ts'
import { type Schedule, checkSchedule } from './schedule.ts'

/** The schedule that `reschedule` has set, by whom and since when. */
export interface ScheduleOverride {
  readonly schedule: Schedule
  readonly by?: string
  readonly since: Date
}

/**
 * Checks what `reschedule` was given: `undefined` drops the override.
 *
 * @throws InvalidScheduleError naming the worker and the fix
 */
export function checkNewSchedule(worker: string, schedule: unknown, minPeriodMs: number): Schedule | undefined {
  return schedule === undefined ? undefined : checkSchedule(schedule, `Worker "${worker}"`, minPeriodMs)
}

/** What a `reschedule` leaves; the schedule has been checked. */
export function scheduleOverride(
  schedule: Schedule | undefined,
  options: Given<ByOption>,
  now: number,
): ScheduleOverride | undefined {
  return schedule && { schedule, ...options, since: new Date(now) }
}
