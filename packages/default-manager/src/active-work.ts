import {
  type BackgroundWorkerError,
  LeaseLostError,
  type LockHold,
  ManagerStoppedError,
  type RunKind,
  type RunRecord,
  RunCancelledError,
  UnknownWorkerError,
  nextDueAt,
} from '@background-workers/abstractions'
import {
  type EventHub,
  type SafeLogger,
  Run,
  type RunHost,
  type RunPlan,
  type WorkerReports,
  cancelledBeforeStart,
  effectiveSchedule,
  slotRunId,
} from '@background-workers/abstractions/for-managers'
import type { ManagedPeriodicWorker } from './managed-worker.ts'
import type { FilledOptions } from './options.ts'
import type { RunRecords } from './run-records.ts'
import type { WorkerLocks } from './worker-locks.ts'

/** What active work shares with its slot runner. */
export interface ActiveWorkParts {
  readonly options: FilledOptions
  readonly instanceId: string
  readonly logger: SafeLogger
  readonly events: EventHub
  readonly reports: WorkerReports
  readonly records: RunRecords
  readonly locks: WorkerLocks | undefined
}

/** What makes a worker active: a slot that waits for its jitter, what waits for a lock, or a run. */
type Work = Waiting | Run<Plan>

class Waiting {
  readonly entry: ManagedPeriodicWorker
  readonly record: RunRecord
  /** Whether it waits for its lock, and not for its jitter. */
  readonly isAsking: boolean
  /** Ends the wait; whoever waits for it too is told why. */
  readonly end: (why: BackgroundWorkerError) => void

  constructor({ entry, record, isAsking = false, end }: WaitStart) {
    this.entry = entry
    this.record = record
    this.isAsking = isAsking
    this.end = end
  }
}

/** What waits. */
export type WaitStart = Pick<Waiting, 'entry' | 'record' | 'end'> & Partial<Pick<Waiting, 'isAsking'>>

/** What a run needs to be started, besides its worker. */
export interface RunStart {
  /** That of its slot, if it is not given. */
  readonly runId?: string
  readonly kind: RunKind
  readonly scheduledForMs?: number
  readonly lateByMs?: number
  readonly missedSlots?: number
  readonly nextDueAtMs?: number | undefined
  readonly by?: string
  readonly cause?: string | undefined
}

/** The guard: per worker name at most one work is active, waiting or running, across remove and add too. */
export class ActiveWork {
  readonly #parts: ActiveWorkParts
  readonly #records: RunRecords
  readonly #host: RunHost<Plan>
  /**
   * A worker that has been active keeps its place. A `Map` that is entered and left by every run copies itself again and
   * again, and its old copies hold ended runs until a full garbage collection: that was half of what a run cost.
   */
  readonly #active = new Map<string, Work | undefined>()
  /** While a stop waits for what asks for its lock: the runs that it is about. */
  #stopping: Run[] | undefined

  constructor(parts: ActiveWorkParts) {
    this.#parts = parts
    this.#records = parts.records
    this.#host = {
      clock: parts.options.clock,
      instanceId: parts.instanceId,
      scopeFactory: parts.options.scopeFactory,
      logger: parts.logger,
      runFinished: (run) => this.#records.finish(run.plan.entry, run),
      runRetrying: (run, attempt, error, retryAtMs) => parts.reports.runRetrying(run, attempt, error, retryAtMs),
      runSettled: (run) => this.#runSettled(run),
      runStuck: (run) => parts.reports.runStuck(run),
    }
  }

  /** The record of the worker's active run, or of what waits for its jitter or its lock. */
  recordOf(name: string): RunRecord | undefined {
    return this.#active.get(name)?.record
  }

  /** The id of what makes the worker active; none while nothing does. */
  runIdOf(name: string): string | undefined {
    const active = this.#active.get(name)
    return active instanceof Run ? active.plan.runId : active?.record.runId
  }

  /** The record of what waits for its jitter or its lock; none while the worker runs. */
  waitingRecordOf(name: string): RunRecord | undefined {
    const active = this.#active.get(name)
    return active instanceof Waiting ? active.record : undefined
  }

  /** The worker's active run; none while it waits. */
  runOf(name: string): Run | undefined {
    const active = this.#active.get(name)
    return active instanceof Run ? active : undefined
  }

  /** All active runs. */
  runs(): Run[] {
    return this.#works().flatMap(([, active]) => (active instanceof Run ? [active] : []))
  }

  /** What waits is active until `waited` is called. `end` ends the wait, and tells whoever waits for it too why. */
  wait(what: WaitStart): void {
    this.#active.set(what.entry.name, new Waiting(what))
  }

  /** The wait is over by itself. Gives whether anything was active. */
  waited(name: string): boolean {
    const wasActive = this.#active.get(name) !== undefined
    this.#active.set(name, undefined)
    return wasActive
  }

  /**
   * Starts a run at `now`, which the clock has just said. It keeps its lock until it settles. Nothing of the worker may be
   * active.
   */
  start(entry: ManagedPeriodicWorker, what: RunStart, now: number, hold?: LockHold): void {
    const run = new Run(new Plan(entry, what, now), this.#host, now)
    this.#active.set(entry.name, run)
    this.#stopping?.push(run)
    if (hold) run.plan.giveBack = this.#watch(run, hold)
    entry.history.begin(run, entry.definition.policy.keepRuns)
    if (this.#parts.events.hears('run-started')) this.#parts.events.emit('run-started', run.record)
    run.start()
  }

  /** Ends what waits under this id, or aborts the run. Gives whether there was one that could be. */
  cancel(runId: string, by: string | undefined): boolean {
    for (const [name, active] of this.#works()) {
      if (active instanceof Run && active.plan.runId === runId) {
        return active.abort(new RunCancelledError(name, runId, by))
      }
      if (active instanceof Waiting && active.record.runId === runId) {
        this.#endWaiting(name, active, new RunCancelledError(name, runId, by))
        // A trigger that waits for its lock was not accepted: its caller is told, and there is nothing to record.
        if (active.record.kind === 'manual') return true
        this.#records.cancel(active.entry, {
          ...active.record,
          finishedAt: new Date(this.#host.clock.now()),
          ...cancelledBeforeStart(by),
        })
        return true
      }
    }
    return false
  }

  /** A pause ends what waits: a slot is skipped, a retrying run fails with its last error. A trigger works while paused. */
  pause(name: string): void {
    const active = this.#active.get(name)
    if (active instanceof Run) active.endRetries()
    if (!(active instanceof Waiting) || active.record.kind === 'manual') return
    this.#endWaiting(name, active, new ManagerStoppedError(`Worker "${name}" is paused.`))
    this.#records.skip(active.entry, {
      ...active.record,
      outcome: 'skipped',
      reason: 'paused',
    })
  }

  /** A worker that is removed keeps its active run; what waits is forgotten with it. */
  forget(name: string): void {
    const active = this.#active.get(name)
    if (active instanceof Waiting) this.#endWaiting(name, active, new UnknownWorkerError(name))
    if (!(active instanceof Run)) this.#active.delete(name)
  }

  /** A stop takes no slot that waits, and repeats no run. What asks for its lock may have it by now, and is not ended. */
  stopWaiting(): void {
    this.#stopping = this.runs()
    for (const [name, active] of this.#works()) {
      if (active instanceof Run) active.endRetries()
      else if (!active.isAsking) this.#endByStop(name, active)
    }
  }

  /** What has not got its lock by now does not run. Gives the runs that were active at `stopWaiting`, and those that began since. */
  stopAsking(): Run[] {
    for (const [name, active] of this.#works()) if (active instanceof Waiting) this.#endByStop(name, active)
    const runs = this.#stopping ?? []
    this.#stopping = undefined
    return runs
  }

  /** All that is active, by the names of the workers. */
  #works(): (readonly [string, Work])[] {
    return [...this.#active].flatMap(([name, active]) => (active ? [[name, active] as const] : []))
  }

  #endByStop(name: string, active: Waiting): void {
    this.#endWaiting(name, active, new ManagerStoppedError(`Worker "${name}" does not run: the manager stops.`))
  }

  #endWaiting(name: string, active: Waiting, why: BackgroundWorkerError): void {
    this.#active.set(name, undefined)
    active.end(why)
  }

  /** Aborts the run when its lock is lost. Gives how to give the lock back. */
  #watch(run: Run<Plan>, hold: LockHold): () => void {
    const lost = () => run.abort(leaseLost(run, hold))
    hold.signal.addEventListener('abort', lost, { once: true })
    return () => {
      hold.signal.removeEventListener('abort', lost)
      this.#parts.locks?.release(hold)
    }
  }

  /** Only now may the worker run again. */
  #runSettled({ plan }: Run<Plan>): void {
    const { entry, giveBack } = plan
    const { name } = entry
    if (entry.isAdded) this.#active.set(name, undefined)
    else this.#active.delete(name)
    giveBack?.()
    this.#parts.reports.runSettled(name)
  }
}

class Plan implements RunPlan {
  readonly entry: ManagedPeriodicWorker
  /** Gives its lock back, if it has one. */
  giveBack: (() => void) | undefined
  readonly worker: RunPlan['worker']
  readonly policy: RunPlan['policy']
  readonly kind: RunKind
  readonly scheduledForMs: number
  readonly lateByMs: number
  readonly missedSlots: number
  readonly nextDueAtMs: number | undefined
  readonly lastSucceededAtMs: number | undefined
  readonly by: string | undefined
  readonly cause: string | undefined
  #runId: string | undefined

  constructor(entry: ManagedPeriodicWorker, what: RunStart, now: number) {
    this.entry = entry
    this.worker = entry.work
    this.policy = entry.definition.policy
    this.kind = what.kind
    this.scheduledForMs = what.scheduledForMs ?? now
    this.lateByMs = what.lateByMs ?? 0
    this.missedSlots = what.missedSlots ?? 0
    this.nextDueAtMs = what.nextDueAtMs ?? nextDueAt(effectiveSchedule(entry), now, entry.name)
    this.lastSucceededAtMs = entry.hasHistory ? entry.history.lastSucceededAtMs : undefined
    this.by = what.by
    this.cause = what.cause
    this.#runId = what.runId
  }

  /** That of a slot is made when it is asked for: nobody asks for most. */
  get runId(): string {
    this.#runId ??= slotRunId(this.worker.name, { dueAt: this.scheduledForMs })
    return this.#runId
  }
}

function leaseLost(run: Run, { signal }: LockHold): LeaseLostError {
  if (signal.reason instanceof LeaseLostError) return signal.reason
  return new LeaseLostError(run.plan.worker.name, run.plan.runId, { cause: signal.reason })
}
