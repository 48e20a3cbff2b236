import type { IBackgroundWorker, IPeriodicBackgroundWorker } from '@background-workers/abstractions'
import type {
  PeriodicWorkerDefinition,
  WorkerDefinition,
  WorkerStarter,
} from '@background-workers/abstractions/for-managers'

/** What this instance keeps of a worker that was added here. Everything else about it is in Redis. */
export interface ManagedWorker {
  readonly worker: IBackgroundWorker
  readonly definition: WorkerDefinition
  readonly starter: WorkerStarter
  /** When it was added here, by Redis time; `undefined` before the first start. A later tombstone drops it. */
  declaredAt: number | undefined
}

/** One with a schedule. */
export type ManagedPeriodicWorker = ManagedWorker & {
  readonly worker: IPeriodicBackgroundWorker
  readonly definition: PeriodicWorkerDefinition
}

/** Whether it has a schedule. */
export function isPeriodic(entry: ManagedWorker): entry is ManagedPeriodicWorker {
  return entry.definition.kind === 'periodic'
}
