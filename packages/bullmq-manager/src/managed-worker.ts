import type { Periodic, WorkerEntry } from '@background-workers/abstractions/for-managers'

/** What this instance keeps of a worker that was added here. Everything else about it is in Redis. */
export interface ManagedWorker extends WorkerEntry {
  /**
   * When it was declared here, by Redis time: at the start, or at the first heartbeat after it was added; `undefined` before. A later
   * tombstone drops it.
   */
  declaredAt: number | undefined
}

/** One with a schedule. */
export type ManagedPeriodicWorker = Periodic<ManagedWorker>
