import type { Slot } from '@background-workers/abstractions'
import { effectiveSchedule, latestDueSlot, nextDueAt } from '@background-workers/abstractions/for-managers'
import type { KnownWorker } from './stored-worker.ts'

/**
 * How many slots before this one nobody has decided. A slot may have been decided after they were counted; then only those
 * after it are missed.
 *
 * @param decided - That slot, in ms since the epoch; what is none, or not before this slot, changes nothing.
 */
export function missedSince(
  worker: KnownWorker,
  decided: number | undefined,
  slot: Pick<Slot, 'dueAt' | 'missedSlots'>,
): number {
  const schedule = effectiveSchedule(worker)
  const isBefore = decided !== undefined && decided < slot.dueAt && slot.missedSlots > 0
  const next = isBefore ? nextDueAt(schedule, decided, worker.name) : undefined
  if (next === undefined) return slot.missedSlots
  return Math.min(slot.missedSlots, latestDueSlot(schedule, worker.name, next, slot.dueAt).missedSlots)
}
