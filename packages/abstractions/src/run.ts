import { AsyncLocalStorage } from 'node:async_hooks'
import { type Clock, setLongTimer } from './clock.ts'
import { LeaseLostError, type ManagerStoppedError, RunCancelledError, RunTimeoutError } from './errors.ts'
import type { GuardedLogger } from './guarded-logger.ts'
import type { IPeriodicBackgroundWorker } from './periodic-worker.ts'
import type { FilledPolicy } from './policy.ts'
import { nextAttemptAt } from './retry-delay.ts'
import { RunContext } from './run-context.ts'
import {
  type RecordedError,
  type RunKind,
  type RunOutcome,
  type RunRecord,
  type Reason,
  describeError,
} from './run-record.ts'
import type { ServiceScopeFactory } from './service-scope.ts'
import { traceRun } from './tracing.ts'

/** What is to be run. Times in ms since the epoch. */
export interface RunPlan {
  /** Its name as it was when the worker was added. */
  readonly worker: Pick<IPeriodicBackgroundWorker, 'name' | 'doWork'>
  readonly policy: FilledPolicy
  readonly runId: string
  readonly kind: RunKind
  readonly scheduledForMs: number
  readonly lateByMs: number
  readonly missedSlots: number
  /** No attempt starts at or after it. */
  readonly nextDueAtMs: number | undefined
  readonly lastSucceededAtMs: number | undefined
  readonly by: string | undefined
  /** What a subscriber of the channel of triggers said of the trigger that it is for. */
  readonly cause?: string | undefined
}

/** What a run needs of its manager, and tells it. None of these may throw. */
export interface RunHost {
  readonly clock: Clock
  readonly instanceId: string
  readonly scopeFactory: ServiceScopeFactory | undefined
  /** The manager's logger for a worker. */
  loggerOf(worker: string): GuardedLogger
  /** The outcome is fixed; `doWork` may still be running after an abort. */
  runFinished(run: Run, record: RunRecord): void
  runRetrying(run: Run, failedAttempt: number, error: unknown, retryAtMs: number): void
  /** `doWork` has returned and its scope is disposed: the worker may run again. */
  runSettled(run: Run): void
  /** The signal was aborted 30 s ago and `doWork` has not settled. */
  runStuck(run: Run): void
}

/** Why a run may be aborted; becomes the reason of its signal. */
export type RunAbort = RunTimeoutError | RunCancelledError | ManagerStoppedError | LeaseLostError

/** How long an aborted run may take to settle before its worker counts as stuck. */
export const STUCK_AFTER_MS = 30_000

/**
 * One run: `doWork` with its scope, timeout, retries and abort, the same on every manager.
 *
 *     running -> (failed, attempts left) -> waiting -> running …
 *     running or waiting -> finished: the outcome is fixed, by doWork or by an abort
 *     finished -> settled: doWork has returned and its scope is disposed; only now may the worker run again
 */
export class Run {
  /** The run whose `doWork` is calling, if any: `stop` must not wait for it. */
  static current(): Run | undefined {
    return activeRun.getStore()
  }

  /** Calls `callback` as if no run were calling: a timer that was set inside a run must not count as that run. */
  static outside(callback: () => void): void {
    activeRun.run(undefined, callback)
  }

  readonly plan: RunPlan
  readonly startedAtMs: number
  readonly #host: RunHost
  readonly #startedAtMonotonic: number
  #attempt = 0
  #record: RunRecord
  #finished: ((record: RunRecord) => void) | undefined
  #isSettled = false
  #isLeftToCaller = false
  #mayRetry = true
  #drained: PromiseWithResolvers<void> | undefined
  #controller: AbortController | undefined
  #abortReason: RunAbort | undefined
  #lastError: { readonly error: unknown } | undefined
  #endWait: (() => void) | undefined
  #clearTimeout: (() => void) | undefined
  #clearStuckTimer: (() => void) | undefined
  #logger: GuardedLogger | undefined

  constructor(plan: RunPlan, host: RunHost) {
    this.plan = plan
    this.#host = host
    this.startedAtMs = host.clock.now()
    this.#startedAtMonotonic = host.clock.monotonicNow()
    this.#record = {
      runId: plan.runId,
      worker: plan.worker.name,
      kind: plan.kind,
      scheduledFor: new Date(plan.scheduledForMs),
      startedAt: new Date(this.startedAtMs),
      lateByMs: plan.lateByMs,
      ...(plan.missedSlots > 0 && { missedSlots: plan.missedSlots }),
      attempts: 1,
      instanceId: host.instanceId,
      ...(plan.by !== undefined && { by: plan.by }),
    }
  }

  /** The record as it stands; without an outcome while the run is active. */
  get record(): RunRecord {
    return this.#record
  }

  get isSettled(): boolean {
    return this.#isSettled
  }

  /** Resolves when a stop need not wait any longer: the run has settled, or its `doWork` itself waits for the stop. */
  get drained(): Promise<void> {
    if (this.#isSettled || this.#isLeftToCaller) return Promise.resolve()
    this.#drained ??= Promise.withResolvers()
    return this.#drained.promise
  }

  get isFinished(): boolean {
    return this.#record.outcome !== undefined
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    if (this.#abortReason && !this.#controller.signal.aborted) this.#controller.abort(this.#abortReason)
    return this.#controller.signal
  }

  get logger(): GuardedLogger {
    this.#logger ??= this.#host.loggerOf(this.plan.worker.name).child({
      runId: this.plan.runId,
      scheduledFor: this.#record.scheduledFor,
    })
    return this.#logger
  }

  /** Calls `doWork` for the first time before it returns. Never throws. */
  start(): void {
    const { timeoutMs } = this.plan.policy
    if (timeoutMs !== undefined) {
      const { worker, runId } = this.plan
      const timedOut = () => this.abort(new RunTimeoutError(worker.name, runId, timeoutMs))
      this.#clearTimeout = setLongTimer(this.#host.clock, timedOut, timeoutMs)
    }
    traceRun(
      () => {
        const { runId, worker, kind, scheduledFor, instanceId } = this.#record
        const { cause } = this.plan
        const startedAt = new Date(this.startedAtMs)
        return { runId, worker, kind, scheduledFor, startedAt, instanceId, ...(cause !== undefined && { cause }) }
      },
      () =>
        new Promise((resolve) => {
          this.#finished = resolve
          void activeRun.run(this, () => this.#runAttempts())
        }),
    )
  }

  /** Aborts the signal and fixes the outcome. Gives `false` when the outcome was fixed before. */
  abort(reason: RunAbort): boolean {
    if (this.isFinished) return false
    this.#abortReason = reason
    const { outcome, reason: word } = outcomeOfAbort(reason)
    this.#finish(outcome, word, reason)
    this.#clearStuckTimer = setLongTimer(this.#host.clock, () => this.#host.runStuck(this), STUCK_AFTER_MS)
    this.#controller?.abort(reason)
    this.#endWait?.()
    return true
  }

  /** Repeats nothing from now on: a run that waits for its retry is failed with its last error, an attempt goes on. */
  endRetries(): void {
    this.#mayRetry = false
    if (!this.#endWait || this.isFinished) return
    this.#finish('failed', undefined, this.#lastError?.error)
    this.#endWait()
  }

  /** `doWork` waits for the manager to stop, so the stop must not wait for `doWork`. */
  leaveToCaller(): void {
    this.#isLeftToCaller = true
    this.#drained?.resolve()
  }

  /** Leaves no timer behind for a run that a stop has given up on. */
  abandon(): void {
    this.#clearTimers()
  }

  async #runAttempts(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      this.#attempt = attempt
      if (attempt > 1) this.#record = { ...this.#record, attempts: attempt }
      const failure = await this.#runAttempt(attempt)
      if (this.isFinished) break
      if (!failure) {
        this.#finish('succeeded')
        break
      }
      this.#lastError = failure
      const { clock } = this.#host
      const retry = this.#mayRetry ? this.plan.policy.retry : undefined
      const retryAtMs = nextAttemptAt(retry, attempt, clock.now(), this.plan.nextDueAtMs)
      if (retryAtMs === undefined) {
        this.#finish('failed', undefined, failure.error)
        break
      }
      this.logger.warn(
        { err: failure.error, attempt, retryAt: new Date(retryAtMs) },
        'attempt failed, it will be repeated',
      )
      this.#host.runRetrying(this, attempt, failure.error, retryAtMs)
      await this.#wait(retryAtMs - clock.now())
      if (this.isFinished) break
      // The machine may have slept meanwhile.
      if (isPast(this.plan.nextDueAtMs, clock.now())) {
        this.#finish('failed', undefined, failure.error)
        break
      }
    }
    this.#isSettled = true
    this.#clearTimers()
    this.#host.runSettled(this)
    this.#drained?.resolve()
  }

  async #runAttempt(attempt: number): Promise<{ readonly error: unknown } | undefined> {
    const context = new RunContext(this, attempt, this.#host.scopeFactory)
    let failure: { readonly error: unknown } | undefined
    try {
      await this.plan.worker.doWork(context)
    } catch (error) {
      failure = { error }
    }
    await context.end()
    return failure
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        clear()
        this.#endWait = undefined
        resolve()
      }
      const clear = setLongTimer(this.#host.clock, end, ms)
      this.#endWait = end
    })
  }

  #finish(outcome: RunOutcome, reason?: Reason, error?: unknown): void {
    this.#clearTimeout?.()
    this.#clearTimeout = undefined
    const { clock } = this.#host
    const durationMs = Math.max(0, Math.round(clock.monotonicNow() - this.#startedAtMonotonic))
    const recordedError: RecordedError | undefined = outcome === 'succeeded' ? undefined : describeError(error)
    // Only describeError may look into what was thrown: even `instanceof` can throw.
    const cancel = this.#abortReason
    this.#record = {
      ...this.#record,
      attempts: this.#attempt,
      finishedAt: new Date(clock.now()),
      durationMs,
      outcome,
      ...(reason && { reason }),
      ...(recordedError && { error: recordedError }),
      ...(cancel instanceof RunCancelledError && cancel.by !== undefined && { by: cancel.by }),
    }
    this.#log(outcome, reason, error, durationMs)
    this.#host.runFinished(this, this.#record)
    this.#finished?.(this.#record)
  }

  #log(outcome: RunOutcome, reason: Reason | undefined, err: unknown, durationMs: number): void {
    const { worker, runId, scheduledFor } = this.#record
    // The worker's name is bound to its logger.
    const logger = this.#host.loggerOf(worker)
    if (outcome === 'succeeded') logger.debug({ runId, scheduledFor, durationMs }, 'run succeeded')
    else if (outcome === 'failed') logger.error({ err, runId, scheduledFor, durationMs }, 'run failed')
    else logger.warn({ err, runId, scheduledFor, durationMs, reason }, 'run aborted')
  }

  #clearTimers(): void {
    this.#clearTimeout?.()
    this.#clearStuckTimer?.()
  }
}

const activeRun = new AsyncLocalStorage<Run | undefined>()

function isPast(timeMs: number | undefined, now: number): boolean {
  return timeMs !== undefined && timeMs <= now
}

function outcomeOfAbort(reason: RunAbort): {
  outcome: RunOutcome
  reason: Reason
} {
  if (reason instanceof RunTimeoutError) return { outcome: 'failed', reason: 'timeout' }
  if (reason instanceof RunCancelledError) return { outcome: 'aborted', reason: 'cancelled' }
  if (reason instanceof LeaseLostError) return { outcome: 'aborted', reason: 'lease-lost' }
  return { outcome: 'aborted', reason: 'stop' }
}
