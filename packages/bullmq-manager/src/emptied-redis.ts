import type { EventHub, SafeLogger } from '@background-workers/abstractions/for-managers'
import type { RedisClock } from './redis-clock.ts'
import type { Store } from './store.ts'
import type { StoredDefinition } from './stored-values.ts'
import type { StoredWorker } from './stored-worker.ts'

/** Nothing is left of the workers that were there: Redis was emptied. One that was removed leaves a tombstone. */
export function isEmptied(
  stored: ReadonlyMap<string, StoredWorker>,
  known: ReadonlyMap<string, StoredWorker>,
): boolean {
  const isInForce = ({ definition, removedAt, orphanedAt }: StoredWorker) =>
    definition !== undefined && removedAt === undefined && orphanedAt === undefined
  return (
    [...known.values()].some(isInForce) &&
    [...stored.values()].every(({ definition, removedAt }) => definition === undefined && removedAt === undefined)
  )
}

/** What is needed to fill an emptied Redis again, and to say so. */
export interface RestoreParts {
  readonly store: Store
  readonly clock: RedisClock
  readonly events: EventHub
  readonly logger: SafeLogger
}

/**
 * Redis was emptied while we run: what is known here goes back; its history is gone.
 *
 * @param found - How many schedules are still there.
 */
export async function restoreWorkers(
  known: ReadonlyMap<string, StoredWorker>,
  found: number,
  { store, clock, events, logger }: RestoreParts,
): Promise<void> {
  const now = clock.now()
  const workers = [...known.values()].filter(({ definition, removedAt }) => definition && removedAt === undefined)
  await store.declare(
    workers.map(({ name, definition }) => ({
      name,
      definition: definition as StoredDefinition,
      decidedUpTo: now,
      dropsOverride: false,
    })),
  )
  for (const { name, override, paused } of workers) {
    if (override) await store.setOverride(name, override, now)
    if (paused) await store.setPause(name, paused)
  }
  const message = `expected ${workers.length} schedules, found ${found}: Redis was emptied. Schedules, overrides and pauses are restored; records are gone.`
  logger.error({ workers: workers.length, found }, message)
  events.emit('schedules-repaired', { workers: workers.map(({ name }) => name), message })
}
