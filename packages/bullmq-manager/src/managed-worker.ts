import type { IBackgroundWorker } from '@background-workers/abstractions'
import type { Periodic, WorkerDefinition, WorkerStarter } from '@background-workers/abstractions/for-managers'

/** What this instance keeps of a worker that was added here. Everything else about it is in Redis. */
export interface ManagedWorker {
  readonly worker: IBackgroundWorker
  readonly definition: WorkerDefinition
  readonly starter: WorkerStarter
  /** When it was added here, by Redis time; `undefined` before the first start. A later tombstone drops it. */
  declaredAt: number | undefined
}

/** One with a schedule. */
export type ManagedPeriodicWorker = Periodic<ManagedWorker>
