import { type IBackgroundWorker, giveLogger } from './background-worker.ts'
import { DuplicateWorkerError } from './errors.ts'
import type { Logger } from './logger.ts'
import { nextAttemptAt } from './retry-delay.ts'
import { type DefinitionRules, type WorkerDefinition, defineWorker } from './worker-definition.ts'
import type { StartableWorker } from './worker-starts.ts'

/** What every manager keeps of a worker that was added. */
export interface WorkerEntry extends StartableWorker {
  readonly definition: WorkerDefinition
}

/** What a new entry needs of its manager. */
export interface EntryHost extends DefinitionRules {
  readonly createWorkerLogger: (worker: string) => Logger
  /** Those that are there, or on their way, by name. */
  readonly entries: Pick<ReadonlyMap<string, WorkerEntry>, 'has'>
}

/**
 * What every manager does first in `add`: checks what it was given, whatever that is, and gives the worker its logger. Gives what
 * the worker declares. Warns of a retry that can never happen.
 *
 * @throws InvalidWorkerError, InvalidScheduleError, InvalidOptionsError, DuplicateWorkerError
 */
export function admitWorker(worker: IBackgroundWorker, host: EntryHost): WorkerDefinition {
  const definition = defineWorker(worker, host)
  const { name } = definition
  if (host.entries.has(name)) throw new DuplicateWorkerError(name)
  giveLogger(worker, host.createWorkerLogger)
  warnOfVainRetry(definition, host)
  return definition
}

/** It is not refused: an override may have a longer period. */
function warnOfVainRetry(definition: WorkerDefinition, { createWorkerLogger }: EntryHost): void {
  if (definition.kind === 'plain' || definition.schedule.kind !== 'every') return
  const { retry } = definition.policy
  const { periodMs } = definition.schedule
  if (!retry || retry.attempts === 1 || nextAttemptAt(retry, 1, 0, periodMs) !== undefined) return
  const { backoffMs } = retry
  createWorkerLogger(definition.name).warn(
    { backoffMs, periodMs },
    'by its schedule the worker is never retried: each retry would start at or after its next slot',
  )
}
