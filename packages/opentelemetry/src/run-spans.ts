import { subscribe, tracingChannel, unsubscribe } from 'node:diagnostics_channel'
import {
  type IBackgroundWorkerManager,
  type ManagerEvents,
  RUN_CHANNEL_NAME,
  type RunRecord,
  type RunTrace,
  TRIGGER_CHANNEL_NAME,
  type TriggerTrace,
} from '@background-workers/abstractions'
import { describeError } from '@background-workers/abstractions/for-managers'
import {
  type Attributes,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  context,
  trace as traceApi,
} from '@opentelemetry/api'
import {
  INSTANCE_ID,
  RUN_ATTEMPT,
  RUN_ATTEMPTS,
  RUN_BY,
  RUN_ID,
  RUN_KIND,
  RUN_LATENESS,
  RUN_MISSED_SLOTS,
  RUN_RETRY_AT,
  RUN_SCHEDULED_FOR,
  WORKER_NAME,
  errorAttributes,
  isError,
  outcomeAttributes,
} from './attributes.ts'
import { reportingFailures } from './report-failure.ts'
import { activeSpanAsCause, spanOfCause } from './span-cause.ts'

/** What the spans are made with. */
export interface RunSpansParts {
  readonly common: Attributes
  /** The channel has the runs of all managers of the process. */
  readonly isOurs: (instanceId: string) => boolean
}

/** What a run is at its start. */
type StartedRun = Pick<RunTrace, 'worker' | 'runId' | 'kind' | 'scheduledFor' | 'instanceId' | 'cause'> & {
  readonly startedAt: Date
}

/**
 * A span per run of one manager, from its first `doWork` until its outcome is fixed: the root of a trace of its own, and the
 * active one wherever the run is at work.
 */
export class RunSpans {
  readonly #tracer: Tracer
  readonly #parts: RunSpansParts
  readonly #stopListening: readonly (() => void)[]
  readonly #spans = new Map<string, Span>()

  constructor(manager: IBackgroundWorkerManager, tracer: Tracer, parts: RunSpansParts) {
    this.#tracer = tracer
    this.#parts = parts
    const runChannel = tracingChannel<string, RunTrace>(RUN_CHANNEL_NAME)
    this.#stopListening = [
      manager.on(
        'run-retrying',
        reportingFailures((retry) => this.#retrying(retry)),
      ),
      manager.on(
        'run-finished',
        reportingFailures((record) => this.#lost(record)),
      ),
      listen(runChannel.start.name, (message) => this.#started(message as RunTrace)),
      listen(runChannel.asyncEnd.name, (message) => this.#finished(message as RunTrace)),
      listen(TRIGGER_CHANNEL_NAME, (message) => setCause(message as TriggerTrace)),
    ]
  }

  /** Ends the spans of the runs that are still active, without an outcome. */
  dispose(): void {
    for (const stop of this.#stopListening) stop()
    for (const span of this.#spans.values()) reportingFailures(() => span.end())()
    this.#spans.clear()
  }

  #started(run: RunTrace): void {
    if (!this.#parts.isOurs(run.instanceId)) return
    const span = this.#start(run)
    this.#spans.set(run.runId, span)
    const spanContext = traceApi.setSpan(ROOT_CONTEXT, span)
    const outer = run.within
    run.within = (call) => context.with(spanContext, outer ? () => outer(call) : call)
  }

  #finished({ runId, instanceId, record }: RunTrace): void {
    const span = this.#parts.isOurs(instanceId) ? this.#spans.get(runId) : undefined
    if (!span || !record) return
    this.#spans.delete(runId)
    endSpan(span, record)
  }

  #retrying({ runId, attempt, error, retryAt }: ManagerEvents['run-retrying']): void {
    const span = this.#spans.get(runId)
    span?.recordException(describeError(error))
    span?.addEvent('background_workers.run.retrying', { [RUN_ATTEMPT]: attempt, [RUN_RETRY_AT]: retryAt.toISOString() })
  }

  /** The process of a lost run is gone, and its span with it. */
  #lost(record: RunRecord): void {
    const { outcome, startedAt } = record
    if (outcome === 'lost' && startedAt) endSpan(this.#start({ ...record, startedAt }), record)
  }

  #start({ worker, runId, kind, scheduledFor, startedAt, instanceId, cause }: StartedRun): Span {
    const causedBy = spanOfCause(cause)
    return this.#tracer.startSpan(
      `run ${worker}`,
      {
        kind: SpanKind.INTERNAL,
        startTime: startedAt,
        attributes: {
          ...this.#parts.common,
          [WORKER_NAME]: worker,
          [RUN_ID]: runId,
          [RUN_KIND]: kind,
          [RUN_SCHEDULED_FOR]: scheduledFor.toISOString(),
          [INSTANCE_ID]: instanceId,
        },
        ...(causedBy && { links: [{ context: causedBy }] }),
      },
      // Whatever is active here (the span of a request that happened to start the timer) did not ask for this run.
      ROOT_CONTEXT,
    )
  }
}

function endSpan(span: Span, record: RunRecord): void {
  const { attempts, lateByMs, missedSlots, by, error } = record
  span.setAttributes({
    ...outcomeAttributes(record),
    ...errorAttributes(record),
    [RUN_ATTEMPTS]: attempts,
    ...(lateByMs !== undefined && { [RUN_LATENESS]: lateByMs / 1_000 }),
    ...(missedSlots !== undefined && { [RUN_MISSED_SLOTS]: missedSlots }),
    ...(by !== undefined && { [RUN_BY]: by }),
  })
  const endedAt = endOf(record)
  if (isError(record)) {
    if (error) span.recordException(error, endedAt)
    span.setStatus({ code: SpanStatusCode.ERROR, ...(error && { message: error.message }) })
  }
  span.end(endedAt)
}

/** By the measured duration, since the clock may have been set meanwhile. */
function endOf({ startedAt, durationMs, finishedAt }: RunRecord): Date | undefined {
  return startedAt && durationMs !== undefined ? new Date(startedAt.getTime() + durationMs) : finishedAt
}

function setCause(message: TriggerTrace): void {
  const cause = activeSpanAsCause()
  if (cause !== undefined) message.cause ??= cause
}

function listen(channelName: string | symbol, onMessage: (message: unknown) => void): () => void {
  const listener = reportingFailures(onMessage)
  subscribe(channelName, listener)
  return () => {
    unsubscribe(channelName, listener)
  }
}
