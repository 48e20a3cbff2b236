import { tracingChannel } from 'node:diagnostics_channel'
import type { RunKind, RunRecord } from './run-record.ts'

/** The name of the channel that every run is published on. */
export const RUN_CHANNEL_NAME = 'background-workers:run'

/** What subscribers of the channel get: one object per run; `record` is set when the outcome is fixed. */
export interface RunTrace {
  readonly worker: string
  readonly runId: string
  readonly kind: RunKind
  readonly scheduledFor: Date
  record?: RunRecord
}

const runChannel = tracingChannel<string, RunTrace>(RUN_CHANNEL_NAME)

/**
 * Publishes a run: `start` before its first `doWork`, `asyncEnd` when its outcome is fixed, `error` before that when
 * it is not a success. Costs one check when nobody has subscribed.
 */
export function traceRun(trace: () => RunTrace, run: () => Promise<RunRecord>): void {
  if (!runChannel.hasSubscribers) {
    void run()
    return
  }
  const message = trace()
  runChannel
    .tracePromise(async () => {
      const record = await run()
      message.record = record
      if (record.outcome !== 'succeeded') throw record.error ?? record
    }, message)
    .catch(() => {})
}
