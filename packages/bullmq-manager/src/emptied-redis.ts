import { type EventHub, type SafeLogger, isSameSchedule } from '@background-workers/abstractions/for-managers'
import type { Declaration, Store } from './store.ts'
import { type StoredWorkers, isKnown, lifeOf } from './stored-worker.ts'
import { overrideDropped } from './write-plan.ts'

/**
 * What Redis lost when it was emptied: the workers that were `known` and are not there, or that were declared anew since by an
 * instance that knew nothing of them. None that was removed since, which leaves a tombstone.
 */
export function lostWorkers(stored: StoredWorkers, known: StoredWorkers, now: number): Declaration[] {
  if (lifeOf(stored.version) === lifeOf(known.version)) return []
  return [...known.workers.values()].filter(isKnown).flatMap(({ name, definition, override, paused }) => {
    const found = stored.workers.get(name)
    if (found?.removedAt !== undefined || found?.definition?.since === definition.since) return []
    const { since, order, release } = definition
    const anew = found?.definition
    const declared = anew && anew.release >= release ? { ...anew, since, order } : definition
    // What was paused or rescheduled since is newer, and what was declared anew has decided slots since.
    return {
      name,
      definition: declared,
      decidedUpTo: anew ? undefined : now,
      dropsOverride: !found?.override && !!override && !isSameSchedule(declared.schedule, definition.schedule),
      override: found?.override ?? override,
      paused: found?.paused ?? paused,
    }
  })
}

/** What is needed to fill an emptied Redis again, and to say so. */
export interface RestoreParts {
  readonly store: Store
  readonly events: EventHub
  readonly logger: SafeLogger
}

/**
 * Redis was emptied while we run: what it lost goes back in one piece, from now; its history is gone. Gives `false`, and does
 * nothing, when the write lock was lost.
 *
 * @param expected - How many schedules there were.
 */
export async function restoreWorkers(
  lost: readonly Declaration[],
  expected: number,
  lockToken: string,
  { store, events, logger }: RestoreParts,
): Promise<boolean> {
  if (!(await store.declare(lost, lockToken))) return false
  const found = expected - lost.length
  const message = `expected ${expected} schedules, found ${found}: Redis was emptied. Schedules, overrides and pauses are restored; records are gone.`
  logger.error({ workers: expected, found }, message)
  events.emit('schedules-repaired', { workers: lost.map(({ name }) => name), message })
  for (const { name, definition, dropsOverride, override } of lost) {
    if (dropsOverride && override) overrideDropped(name, override, definition, { events, logger })
  }
  return true
}
