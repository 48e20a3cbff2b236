import { safeLogger } from '../src/safe-logger.ts'
import type { PeriodicBackgroundWorkerContext } from '../src/periodic-worker.ts'
import { type PeriodicWorkerPolicy, fillPolicy } from '../src/policy.ts'
import { Run, type RunPlan } from '../src/run.ts'
import type { RunRecord } from '../src/run-record.ts'
import type { ServiceScopeFactory } from '../src/service-scope.ts'
import { ManualClock } from '../src/testing/manual-clock.ts'
import { RecordingLogger } from '../src/testing/recording-logger.ts'

/** What a host is told of a run that is to be repeated. */
export interface Retrying {
  readonly failedAttempt: number
  readonly error: unknown
  readonly retryAtMs: number
}

/** A host for runs that keeps what they tell it. */
export class RunHarness {
  readonly clock = new ManualClock()
  readonly logger = new RecordingLogger()
  readonly finished: RunRecord[] = []
  readonly retrying: Retrying[] = []
  settled = 0
  stuck = 0
  /** What somebody does who is told that a run will be repeated. */
  whenRetrying: (run: Run) => void = () => {}

  createRun(
    doWork: (context: PeriodicBackgroundWorkerContext) => unknown,
    options: {
      readonly policy?: PeriodicWorkerPolicy
      readonly plan?: Partial<RunPlan>
      readonly scopeFactory?: ServiceScopeFactory
    } = {},
  ): Run {
    const logger = safeLogger(this.logger)
    return new Run(
      {
        worker: { name: 'w', doWork: doWork as () => Promise<void> },
        policy: fillPolicy(options.policy ?? {}),
        runId: 'w.1',
        kind: 'scheduled',
        scheduledForMs: this.clock.now(),
        lateByMs: 0,
        missedSlots: 0,
        nextDueAtMs: undefined,
        lastSucceededAtMs: undefined,
        by: undefined,
        ...options.plan,
      },
      {
        clock: this.clock,
        instanceId: 'i',
        scopeFactory: options.scopeFactory,
        logger,
        runFinished: (run) => this.finished.push(run.record),
        runRetrying: (run, failedAttempt, error, retryAtMs) => {
          this.retrying.push({ failedAttempt, error, retryAtMs })
          this.whenRetrying(run)
        },
        runSettled: () => {
          this.settled++
        },
        runStuck: () => {
          this.stuck++
        },
      },
    )
  }

  start(...args: Parameters<RunHarness['createRun']>): Run {
    const run = this.createRun(...args)
    run.start()
    return run
  }
}
