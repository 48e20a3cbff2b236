import type { IBackgroundWorkerManager, RunRecord } from '@background-workers/abstractions'
import { isSlotRun } from '@background-workers/abstractions/for-managers'
import type { Attributes, Meter } from '@opentelemetry/api'
import { RUN_KIND, WORKER_NAME, errorAttributes, outcomeAttributes } from './attributes.ts'
import { reportingFailures } from './report-failure.ts'

/** In s, from a few milliseconds to two hours. */
const DURATION_BUCKETS = [
  0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 1_800, 3_600, 7_200,
]

/** In s. A run that is over 1 s late is a `catch-up`, and an hour is the widest window by default. */
const LATENESS_BUCKETS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 60, 300, 900, 3_600]

/** Counts and measures what a manager decides and runs. Returns how to end that. */
export function measureRuns(manager: IBackgroundWorkerManager, meter: Meter, common: Attributes): () => void {
  const runs = meter.createCounter('background_workers.runs', {
    description: 'Runs that have their outcome.',
    unit: '{run}',
  })
  const nonRuns = meter.createCounter('background_workers.non_runs', {
    description: 'Slots that did not run: skipped or missed.',
    unit: '{slot}',
  })
  const duration = meter.createHistogram('background_workers.run.duration', {
    description: 'From the first doWork of a run until its outcome was fixed, retries and their waits included.',
    unit: 's',
    advice: { explicitBucketBoundaries: DURATION_BUCKETS },
  })
  const lateness = meter.createHistogram('background_workers.run.lateness', {
    description: 'How long after its slot (and its jitter) a run of a schedule began.',
    unit: 's',
    advice: { explicitBucketBoundaries: LATENESS_BUCKETS },
  })

  const started = (record: RunRecord) => {
    if (record.lateByMs === undefined || !isSlotRun(record)) return
    lateness.record(record.lateByMs / 1_000, { ...common, [WORKER_NAME]: record.worker })
  }
  const finished = (record: RunRecord) => {
    const { worker, kind, durationMs } = record
    const attributes = { ...common, [WORKER_NAME]: worker, ...outcomeAttributes(record) }
    runs.add(1, { ...attributes, [RUN_KIND]: kind, ...errorAttributes(record) })
    if (durationMs !== undefined) duration.record(durationMs / 1_000, attributes)
  }
  const skipped = (record: RunRecord) => {
    nonRuns.add(1, { ...common, [WORKER_NAME]: record.worker, ...outcomeAttributes(record) })
  }

  const stopListening = [
    manager.on('run-started', reportingFailures(started)),
    manager.on('run-finished', reportingFailures(finished)),
    manager.on('run-skipped', reportingFailures(skipped)),
  ]
  return () => {
    for (const stop of stopListening) stop()
  }
}
