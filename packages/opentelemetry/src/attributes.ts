import type { RecordedError, RunRecord } from '@background-workers/abstractions'
import type { Attributes } from '@opentelemetry/api'

/** Under which name spans and metrics are given to a provider. */
export const INSTRUMENTATION_NAME = '@background-workers/opentelemetry'

/** The owner of the workers. */
export const APPLICATION_NAME = 'background_workers.application.name'
/** The instance, one per start of a process. */
export const INSTANCE_ID = 'background_workers.instance.id'
/** The worker. */
export const WORKER_NAME = 'background_workers.worker.name'
/** A `WorkerState`. */
export const WORKER_STATE = 'background_workers.worker.state'
/** A `HealthCode`. */
export const HEALTH_CODE = 'background_workers.health.code'
/** The run; on spans only. */
export const RUN_ID = 'background_workers.run.id'
/** A `RunKind`. */
export const RUN_KIND = 'background_workers.run.kind'
/** The due time of the slot, ISO 8601. */
export const RUN_SCHEDULED_FOR = 'background_workers.run.scheduled_for'
const RUN_OUTCOME = 'background_workers.run.outcome'
const RUN_REASON = 'background_workers.run.reason'
/** The attempt, from 1. */
export const RUN_ATTEMPT = 'background_workers.run.attempt'
/** How many attempts there were. */
export const RUN_ATTEMPTS = 'background_workers.run.attempts'
/** When the next attempt comes, ISO 8601. */
export const RUN_RETRY_AT = 'background_workers.run.retry_at'
/** How long after its slot (and its jitter) it began, in s. */
export const RUN_LATENESS = 'background_workers.run.lateness'
/** How many earlier slots the run counts as missed. */
export const RUN_MISSED_SLOTS = 'background_workers.run.missed_slots'
/** Who triggered it. */
export const RUN_BY = 'background_workers.run.by'
/** A semantic convention; stable. */
const ERROR_TYPE = 'error.type'

/** How a run or a slot ended, for its span and its metrics; nothing for a run that is active. */
export function outcomeAttributes({ outcome, reason }: RunRecord): Attributes {
  return {
    ...(outcome !== undefined && { [RUN_OUTCOME]: outcome }),
    ...(reason !== undefined && { [RUN_REASON]: reason }),
  }
}

/** `error.type` of what ended in an error; nothing for the others. */
export function errorAttributes(record: RunRecord): Attributes {
  return isError(record) ? { [ERROR_TYPE]: errorType(record.error) } : {}
}

/** Whether something went wrong: a stop or somebody's cancel is an end that was asked for. */
export function isError({ outcome, reason }: RunRecord): boolean {
  return outcome === 'failed' || outcome === 'lost' || reason === 'lease-lost'
}

/** The code of an error, or else the name of its class. What looks like neither is `_OTHER`, so that there are few. */
export function errorType(error: RecordedError | undefined): string {
  const type = [error?.code, error?.name].find((text) => text !== undefined && TYPE.test(text))
  return type === undefined || type === 'NonError' ? '_OTHER' : type
}

// The second is an SQLSTATE, which may begin with a digit.
const TYPE = /^(?:[A-Za-z][\w.:-]{0,63}|[0-9A-Z]{5})$/
