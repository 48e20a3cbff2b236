import type { Schedule } from '@background-workers/abstractions'
import { nextDueAt } from '@background-workers/abstractions/for-managers'

const MAX_WINDOW_MS = 600_000

/** Without a release `runOnStart` runs once in so many ms: a period (of a cron the gap between the next two slots), at most 10 min. */
export function startRunWindowMs(schedule: Schedule, worker: string, now: number): number {
  if (schedule.kind === 'every') return Math.min(schedule.periodMs, MAX_WINDOW_MS)
  const next = nextDueAt(schedule, now, worker)
  const afterNext = next === undefined ? undefined : nextDueAt(schedule, next, worker)
  return next === undefined || afterNext === undefined ? MAX_WINDOW_MS : Math.min(afterNext - next, MAX_WINDOW_MS)
}
