import { type IBackgroundWorker, giveLogger } from './background-worker.ts'
import { DuplicateWorkerError } from './errors.ts'
import type { Logger } from './logger.ts'
import type { FilledManagerOptions } from './manager-options.ts'
import { type WorkerDefinition, defineWorker } from './worker-definition.ts'
import { type StarterHost, WorkerStarter } from './worker-starter.ts'

/** What every manager keeps of a worker that was added. */
export interface WorkerEntry {
  readonly worker: IBackgroundWorker
  readonly definition: WorkerDefinition
  readonly starter: WorkerStarter
}

/** What a new entry needs of its manager. */
export interface EntryHost extends StarterHost {
  readonly options: Pick<FilledManagerOptions, 'startTimeoutMs' | 'defaultPolicy'>
  readonly createWorkerLogger: (worker: string) => Logger
  readonly minPeriodMs: number
  /** Those that are there, or on their way, by name. */
  readonly entries: Pick<ReadonlyMap<string, WorkerEntry>, 'has'>
}

/**
 * What every manager does first in `add`: checks what it was given, whatever that is, and gives the worker its logger.
 *
 * @throws InvalidWorkerError, InvalidScheduleError, InvalidOptionsError, DuplicateWorkerError
 */
export function createWorkerEntry(worker: IBackgroundWorker, host: EntryHost): WorkerEntry {
  const { minPeriodMs, options } = host
  const definition = defineWorker(worker, { minPeriodMs, defaultPolicy: options.defaultPolicy })
  const { name } = definition
  if (host.entries.has(name)) throw new DuplicateWorkerError(name)
  giveLogger(worker, host.createWorkerLogger)
  return { worker, definition, starter: new WorkerStarter(worker, host, name) }
}
