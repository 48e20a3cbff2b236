import type { Periodic, WorkerEntry } from '@background-workers/abstractions/for-managers'

/** What this instance keeps of a worker that was added here. Everything else about it is in Redis. */
export interface ManagedWorker extends WorkerEntry {
  /** When it was added here, by Redis time; `undefined` before the first start. A later tombstone drops it. */
  declaredAt: number | undefined
}

/** One with a schedule. */
export type ManagedPeriodicWorker = Periodic<ManagedWorker>
