import { AsyncLocalStorage } from 'node:async_hooks'
import { type Clock, setLongTimer, setWallTimer } from './clock.ts'
import { LeaseLostError, type ManagerStoppedError, RunCancelledError, RunTimeoutError } from './errors.ts'
import { inOwnContext } from './own-context.ts'
import type { SafeLogger } from './safe-logger.ts'
import type { IPeriodicBackgroundWorker } from './periodic-worker.ts'
import type { FilledPolicy } from './policy.ts'
import { describeError } from './recorded-error.ts'
import { nextAttemptAt } from './retry-delay.ts'
import { RunContext } from './run-context.ts'
import {
  type FinishedRunRecord,
  type RunEnd,
  type RunKind,
  type RunOutcome,
  type RunRecord,
  type Reason,
  type StartedRun,
  startedRecord,
} from './run-record.ts'
import type { ServiceScopeFactory } from './service-scope.ts'
import { type RunTrace, isRunTraced, traceRun } from './tracing.ts'

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
export interface RunHost<Plan extends RunPlan = RunPlan> {
  readonly clock: Clock
  readonly instanceId: string
  readonly scopeFactory: ServiceScopeFactory | undefined
  /** The manager's. */
  readonly logger: SafeLogger
  /** The outcome is fixed; `doWork` may still be running after an abort. */
  runFinished(run: Run<Plan>): void
  runRetrying(run: Run<Plan>, failedAttempt: number, error: unknown, retryAtMs: number): void
  /** `doWork` has returned and its scope is disposed: the worker may run again. */
  runSettled(run: Run<Plan>): void
  /** The signal was aborted 30 s ago and `doWork` has not settled. */
  runStuck(run: Run<Plan>): void
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
 *
 * A manager may keep in the plan what it needs itself when the run ends.
 */
export class Run<Plan extends RunPlan = RunPlan> implements StartedRun {
  /** The run whose `doWork` is calling, if any: `stop` must not wait for it. */
  static current(): Run | undefined {
    return activeRun.getStore()
  }

  /** Calls `callback` as if no run were calling, and nobody else: a timer that was set inside a run must not count as that run. */
  static outside(callback: () => void): void {
    inOwnContext(callback)
  }

  readonly plan: Plan
  readonly startedAtMs: number
  readonly #host: RunHost<Plan>
  readonly #startedAtMonotonic: number
  #attempt = 0
  #end: RunEnd | undefined
  /** Made when it is asked for: most runs end without anybody having looked at them. */
  #record: RunRecord | undefined
  #finished: ((record: RunRecord) => void) | undefined
  #isSettled = false
  /** The stop that its `doWork` waits for. */
  #leftTo: Promise<unknown> | undefined
  #mayRetry = true
  #drained: PromiseWithResolvers<void> | undefined
  #controller: AbortController | undefined
  #abortReason: RunAbort | undefined
  #lastError: { readonly error: unknown } | undefined
  /** Ends the wait for a retry: nothing is at work then, so the run settles before this returns. */
  #endWait: (() => void) | undefined
  /** Of its timeout, and after an abort of being stuck. */
  #clearTimer: (() => void) | undefined
  #logger: SafeLogger | undefined

  /** `now` is what the clock has just said. */
  constructor(plan: Plan, host: RunHost<Plan>, now: number = host.clock.now()) {
    this.plan = plan
    this.#host = host
    this.startedAtMs = now
    this.#startedAtMonotonic = host.clock.monotonicNow()
  }

  get instanceId(): string {
    return this.#host.instanceId
  }

  /** Before its end the first one counts already, also while it is about to begin. */
  get attempts(): number {
    return this.#end ? this.#attempt : Math.max(1, this.#attempt)
  }

  get end(): RunEnd | undefined {
    return this.#end
  }

  /** The record as it stands; without an outcome while the run is active. */
  get record(): RunRecord {
    this.#record ??= startedRecord(this)
    return this.#record
  }

  /** The record of a run that is finished. */
  get finishedRecord(): FinishedRunRecord {
    return this.record as FinishedRunRecord
  }

  get isSettled(): boolean {
    return this.#isSettled
  }

  /** Resolves when a stop need not wait any longer: the run has settled, or its `doWork` itself waits for that stop. */
  get drained(): Promise<void> {
    if (this.#isSettled || this.#leftTo) return Promise.resolve()
    this.#drained ??= Promise.withResolvers()
    return this.#drained.promise
  }

  get isFinished(): boolean {
    return this.#end !== undefined
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    if (this.#abortReason && !this.#controller.signal.aborted) this.#controller.abort(this.#abortReason)
    return this.#controller.signal
  }

  get logger(): SafeLogger {
    this.#logger ??= this.#host.logger.child({
      worker: this.plan.worker.name,
      runId: this.plan.runId,
      scheduledFor: new Date(this.plan.scheduledForMs),
    })
    return this.#logger
  }

  /** Calls `doWork` for the first time before it returns, unless it was aborted before. Never throws. */
  start(): void {
    if (this.isFinished) {
      this.#settle()
      return
    }
    // oxlint-disable-next-line typescript/unbound-method -- it is called with this run
    inOwnContext(this.#begin, this)
  }

  /** Aborts the signal and fixes the outcome. Gives `false` when the outcome was fixed before. */
  abort(reason: RunAbort): boolean {
    if (this.isFinished) return false
    this.#abortReason = reason
    const { outcome, reason: word } = outcomeOfAbort(reason)
    this.#finish(outcome, word, reason)
    this.#setStuckTimer(STUCK_AFTER_MS)
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

  /** Looks at the clock: a retry that a machine has slept through until the next slot is none, and the worker is free for that. */
  look(): void {
    if (this.#endWait && isPast(this.plan.nextDueAtMs, this.#host.clock.now())) this.endRetries()
  }

  /** `doWork` waits for this stop of the manager, so that must not wait for `doWork`. A later one does. */
  leaveToCaller(stop: Promise<unknown>): void {
    this.#leftTo = stop
    this.#drained?.resolve()
    this.#drained = undefined
    const isOver = () => {
      if (this.#leftTo === stop) this.#leftTo = undefined
    }
    void stop.then(isOver, isOver)
  }

  /** Leaves no timer behind for a run that a stop has given up on. */
  abandon(): void {
    this.#clearTimer?.()
  }

  /** The manager that gave up on it works again: a run that was aborted is stuck 30 s after that, at once if they have passed. */
  watchAgain(): void {
    if (!this.#end || this.#isSettled) return
    this.#clearTimer?.()
    const endedAt = this.#startedAtMonotonic + this.#end.durationMs
    this.#setStuckTimer(endedAt + STUCK_AFTER_MS - this.#host.clock.monotonicNow())
  }

  #setStuckTimer(afterMs: number): void {
    this.#clearTimer = setLongTimer(this.#host.clock, () => this.#host.runStuck(this), afterMs)
  }

  #begin(): void {
    this.#setTimeout()
    if (isRunTraced()) traceRun(this.#trace(), () => this.#callTraced())
    else this.#call()
  }

  #setTimeout(): void {
    const { worker, runId, policy } = this.plan
    const { timeoutMs } = policy
    if (timeoutMs === undefined) return
    const timedOut = () => this.abort(new RunTimeoutError(worker.name, runId, timeoutMs))
    this.#clearTimer = setLongTimer(this.#host.clock, timedOut, timeoutMs)
  }

  /** In a context of its own, so there is none to come back to: `AsyncLocalStorage.run` would make a map for that (200 ns, and so 45). */
  #call(): void {
    activeRun.enterWith(this)
    this.#runAttempt()
  }

  #callTraced(): Promise<RunRecord> {
    return new Promise((resolve) => {
      this.#finished = resolve
      this.#call()
    })
  }

  #trace(): RunTrace {
    const { runId, worker, kind, scheduledFor } = this.record
    const { cause } = this.plan
    const startedAt = new Date(this.startedAtMs)
    const { instanceId } = this
    return { runId, worker, kind, scheduledFor, startedAt, instanceId, ...(cause !== undefined && { cause }) }
  }

  /** Calls `doWork` once. Not an async function, which would make a promise of its own for each run. */
  #runAttempt(): void {
    const context = this.#beginAttempt()
    const succeeded = () => this.#attemptEnded(context)
    const failed = (error: unknown) => this.#attemptEnded(context, { error })
    try {
      // A promise may have a `then` of its own, which calls twice, or never.
      void then.call(Promise.resolve(this.plan.worker.doWork(context)), succeeded, failed)
    } catch (error) {
      void then.call(Promise.reject(error), succeeded, failed)
    }
  }

  #attemptEnded(context: RunContext, failure?: { readonly error: unknown }): void {
    const disposal = context.end()
    if (disposal || failure) void this.#goOn(disposal, failure)
    else this.#endRun()
  }

  /** What only some attempts need: the end of their scope, or another attempt. */
  async #goOn(disposal: Promise<void> | undefined, failure: { readonly error: unknown } | undefined): Promise<void> {
    if (disposal) await disposal
    const isRepeated = failure && !this.isFinished && (await this.#waitForRetry(failure))
    if (isRepeated) this.#runAttempt()
    else this.#endRun()
  }

  /** Nothing has failed, or the outcome is fixed. */
  #endRun(): void {
    if (!this.isFinished) this.#finish('succeeded')
    this.#settle()
  }

  #settle(): void {
    this.#isSettled = true
    this.#clearTimer?.()
    this.#host.runSettled(this)
    this.#drained?.resolve()
  }

  #beginAttempt(): RunContext {
    this.#attempt++
    if (this.#attempt > 1) this.#record = undefined
    return new RunContext(this, this.#attempt, this.#host.scopeFactory)
  }

  /** Gives whether there is another attempt; where there is none, the outcome is fixed. */
  async #waitForRetry(failure: { readonly error: unknown }): Promise<boolean> {
    const { error } = failure
    this.#lastError = failure
    const { clock } = this.#host
    const attempt = this.#attempt
    const retry = this.#mayRetry ? this.plan.policy.retry : undefined
    const retryAtMs = nextAttemptAt(retry, attempt, clock.now(), this.plan.nextDueAtMs)
    if (retryAtMs === undefined) {
      this.#finish('failed', undefined, error)
      return false
    }
    this.logger.warn({ err: error, attempt, retryAt: new Date(retryAtMs) }, 'attempt failed, it will be repeated')
    this.#host.runRetrying(this, attempt, error, retryAtMs)
    // Whoever was told may have aborted it, or ended its retries.
    if (!this.isFinished && this.#mayRetry) await this.#wait(retryAtMs)
    if (this.isFinished) return false
    // The machine may have slept meanwhile.
    if (!this.#mayRetry || isPast(this.plan.nextDueAtMs, clock.now())) this.#finish('failed', undefined, error)
    return !this.isFinished
  }

  /** Resolves when it is time, and never when the wait is ended before. */
  #wait(retryAtMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const over = () => {
      this.#endWait = undefined
      resolve()
    }
    const timer = setWallTimer(this.#host.clock, over, retryAtMs)
    this.#endWait = () => {
      timer.clear()
      this.#endWait = undefined
      this.#settle()
    }
    return promise
  }

  #finish(outcome: RunOutcome, reason?: Reason, error?: unknown): void {
    this.#clearTimer?.()
    this.#clearTimer = undefined
    const { clock } = this.#host
    const durationMs = Math.max(0, Math.round(clock.monotonicNow() - this.#startedAtMonotonic))
    const end = { finishedAtMs: clock.now(), durationMs, outcome }
    this.#end = outcome === 'succeeded' ? end : { ...end, ...this.#describeFailure(reason, error) }
    this.#record = undefined
    this.#log(outcome, reason, error, durationMs)
    this.#host.runFinished(this)
    this.#finished?.(this.record)
  }

  #describeFailure(reason: Reason | undefined, error: unknown): Pick<RunEnd, 'reason' | 'error' | 'by'> {
    // Only describeError may look into what was thrown: even `instanceof` can throw.
    const cancel = this.#abortReason
    return {
      ...(reason && { reason }),
      error: describeError(error),
      ...(cancel instanceof RunCancelledError && cancel.by !== undefined && { by: cancel.by }),
    }
  }

  #log(outcome: RunOutcome, reason: Reason | undefined, err: unknown, durationMs: number): void {
    const { logger } = this.#host
    if (outcome === 'succeeded' && !logger.isLevelEnabled('debug')) return
    const { runId, scheduledForMs } = this.plan
    const data = { worker: this.plan.worker.name, runId, scheduledFor: new Date(scheduledForMs), durationMs }
    if (outcome === 'succeeded') logger.debug(data, 'run succeeded')
    else if (outcome === 'failed') logger.error({ err, ...data }, 'run failed')
    else logger.warn({ err, ...data, reason }, 'run aborted')
  }
}

const activeRun = new AsyncLocalStorage<Run | undefined>()

/** What `await` calls, whatever a promise has in its place. */
// oxlint-disable-next-line typescript/unbound-method -- it is called with a promise
const { then } = Promise.prototype

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
