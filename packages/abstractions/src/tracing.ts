import { channel, tracingChannel } from 'node:diagnostics_channel'
import type { RunKind, RunRecord } from './run-record.ts'

/** The name of the tracing channel that every run is published on. */
export const RUN_CHANNEL_NAME = 'background-workers:run'

/** What subscribers of the channel get: one object per run; `record` is set when the outcome is fixed. */
export interface RunTrace {
  readonly worker: string
  readonly runId: string
  readonly kind: RunKind
  readonly scheduledFor: Date
  readonly startedAt: Date
  /** Whose run it is: two managers in one process may have workers of the same name. */
  readonly instanceId: string
  /** What the subscribers of the channel of triggers said of the `trigger` that this run is for, wherever that was called. */
  readonly cause?: string
  /**
   * Set it at `start` to have the run called in a context of your own (that of a span, say): its attempts, its scopes and
   * what is logged of them. Call the one that is there already inside yours.
   */
  within?: (<Result>(run: () => Result) => Result) | undefined
  record?: RunRecord
}

/** The name of the channel that every `trigger` is published on, in the context of its caller, before it is accepted. */
export const TRIGGER_CHANNEL_NAME = 'background-workers:trigger'

/** What subscribers of the channel get. */
export interface TriggerTrace {
  readonly worker: string
  /** Set it to hand a text of at most 1,000 characters over to the run (`RunTrace.cause`), which may be in another process. */
  cause?: string
}

const runChannel = tracingChannel<string, RunTrace>(RUN_CHANNEL_NAME)
const triggerChannel = channel(TRIGGER_CHANNEL_NAME)

/** Whether anybody has subscribed to runs. A run that nobody traces costs no more than this check. */
export function isRunTraced(): boolean {
  return runChannel.hasSubscribers
}

/**
 * Publishes a run: `start` before its first `doWork`, `asyncEnd` when its outcome is fixed, `error` before that when
 * it is not a success.
 */
export function traceRun(message: RunTrace, run: () => Promise<RunRecord>): void {
  runChannel
    .tracePromise(async () => {
      const record = await callWithin(message.within, run)
      message.record = record
      if (record.outcome !== 'succeeded') throw record.error ?? record
    }, message)
    .catch(() => {})
}

/** Nothing that a subscriber does keeps a run from being called, once. */
function callWithin(within: RunTrace['within'], run: () => Promise<RunRecord>): Promise<RunRecord> {
  let running: Promise<RunRecord> | undefined
  const call = () => (running ??= run())
  try {
    within?.(call).catch(() => {})
  } catch {
    // It is called without that context.
  }
  return call()
}

/** Publishes a `trigger` and gives what its run is to be told of it. Costs one check when nobody has subscribed. */
export function causeOfTrigger(worker: string): string | undefined {
  if (!triggerChannel.hasSubscribers) return undefined
  const message: TriggerTrace = { worker }
  triggerChannel.publish(message)
  return readCause(message.cause)
}

/** A cause that may be handed on; anything else is dropped. */
export function readCause(cause: unknown): string | undefined {
  return typeof cause === 'string' && cause.length <= 1_000 ? cause : undefined
}
