import type { Periodic, WorkerEntry } from '@background-workers/abstractions/for-managers'

/** What this instance keeps of a worker that was added here. Everything else about it is in Redis. */
export interface ManagedWorker extends WorkerEntry {
  /**
   * Since when it counts as added here, by Redis time: the start, or the first heartbeat after its add; `undefined` before. A later
   * tombstone drops it.
   */
  declaredAt: number | undefined
}

/** One with a schedule. */
export type ManagedPeriodicWorker = Periodic<ManagedWorker>
