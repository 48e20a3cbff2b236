import { randomUUID } from 'node:crypto'
import {
  type BackgroundWorkerError,
  LeaseLostError,
  type LockHold,
  ManagerStoppedError,
  type RunKind,
  type RunRecord,
  RunCancelledError,
  type Slot,
  type SlotDecision,
  StoreUnavailableError,
  UnknownWorkerError,
  WorkerBusyError,
  decideSlot,
  nextDueAt,
} from '@background-workers/abstractions'
import {
  type EventHub,
  type GuardedLogger,
  type HealthMonitor,
  Run,
  type RunHost,
  type WorkerReports,
  causeOfTrigger,
  effectiveSchedule,
  manualRunId,
  nonRunOf,
  setLongTimer,
  slotRunId,
  startRunId,
  startWindow,
  unstartedRecord,
} from '@background-workers/abstractions/for-managers'
import type { ManagedPeriodicWorker } from './managed-worker.ts'
import type { FilledOptions } from './options.ts'
import { type LockWaiter, WorkerLocks } from './worker-locks.ts'

/** What a slot runner shares with its manager. */
export interface SlotRunnerParts {
  readonly options: FilledOptions
  readonly instanceId: string
  readonly logger: GuardedLogger
  readonly events: EventHub
  readonly health: HealthMonitor
  readonly reports: WorkerReports
  /** Its history has changed, and with it maybe what is wrong with it. */
  recorded(entry: ManagedPeriodicWorker): void
}

/** What makes a worker active: a slot that waits for its jitter, what waits for a lock, or a run. */
type ActiveWork =
  | {
      readonly kind: 'waiting'
      readonly entry: ManagedPeriodicWorker
      readonly record: RunRecord
      /** Ends the wait; whoever waits for it too is told why. */
      readonly end: (why: BackgroundWorkerError) => void
    }
  | {
      readonly kind: 'run'
      readonly entry: ManagedPeriodicWorker
      readonly run: Run
      /** Gives its lock back, if it has one. */
      readonly giveBack: (() => void) | undefined
    }

type RunDecision = Extract<SlotDecision, { kind: 'run' }>

/** What a run needs to be started, besides its worker. */
interface RunStart {
  readonly runId: string
  readonly kind: RunKind
  readonly scheduledForMs?: number
  readonly lateByMs?: number
  readonly missedSlots?: number
  readonly nextDueAtMs?: number
  readonly by?: string
  readonly cause?: string | undefined
}

/** Decides slots, runs them, and holds the guard: per worker name at most one active work, across remove and add too. */
export class SlotRunner {
  readonly #parts: SlotRunnerParts
  readonly #host: RunHost
  readonly #active = new Map<string, ActiveWork>()
  readonly #locks: WorkerLocks | undefined

  constructor(parts: SlotRunnerParts) {
    this.#parts = parts
    const { clock, distributedLock: lock } = parts.options
    const { logger, events, health } = parts
    this.#locks = lock && new WorkerLocks({ lock, clock, logger, events, health })
    this.#host = {
      clock: parts.options.clock,
      instanceId: parts.instanceId,
      scopeFactory: parts.options.scopeFactory,
      loggerOf: (worker) => parts.logger.child({ worker }),
      runFinished: (run, record) => this.#runFinished(run, record),
      runRetrying: (run, attempt, error, retryAtMs) => parts.reports.runRetrying(run, attempt, error, retryAtMs),
      runSettled: (run) => this.#runSettled(run),
      runStuck: (run) => parts.reports.runStuck(run),
    }
  }

  /** The record of the worker's active run, or of what waits for its jitter or its lock. */
  activeRecord(name: string): RunRecord | undefined {
    const active = this.#active.get(name)
    return active?.kind === 'run' ? active.run.record : active?.record
  }

  activeRun(name: string): Run | undefined {
    const active = this.#active.get(name)
    return active?.kind === 'run' ? active.run : undefined
  }

  activeRuns(): Run[] {
    return [...this.#active.values()].flatMap((active) => (active.kind === 'run' ? [active.run] : []))
  }

  /** Whether the slot is the one that was decided last; it may still wait for its jitter or its lock. */
  isDecided(entry: ManagedPeriodicWorker, slotMs: number): boolean {
    const active = this.#active.get(entry.name)
    const isWaiting = active?.kind === 'waiting' && active.record.scheduledFor.getTime() === slotMs
    return isWaiting || (entry.hasHistory && entry.history.lastSlotMs === slotMs)
  }

  /** Decides a slot that has come due, and carries the decision out. */
  decide(entry: ManagedPeriodicWorker, slot: Slot): void {
    // A clock that was set back makes the slot due again while it still waits or runs.
    const activeRunId = this.activeRecord(entry.name)?.runId
    if (activeRunId === slotRunId(entry.name, slot)) return
    const now = this.#parts.options.clock.now()
    const decision = decideSlot(
      entry.definition,
      {
        paused: entry.paused !== undefined,
        activeRunId,
      },
      slot,
      now,
    )
    if (decision.kind === 'run' && decision.startAt > now) this.#waitForJitter(entry, slot, decision.startAt - now)
    else this.#carryOut(entry, slot, decision)
  }

  /** @throws WorkerBusyError, and with a lock StoreUnavailableError */
  trigger(entry: ManagedPeriodicWorker, by: string | undefined): string | Promise<string> {
    const active = this.activeRecord(entry.name)
    if (active) throw new WorkerBusyError(entry.name, active.runId)
    const runId = manualRunId(entry.name)
    const start: RunStart = {
      runId,
      kind: 'manual',
      cause: causeOfTrigger(entry.name),
      ...(by !== undefined && { by }),
    }
    if (this.#locks) return this.#triggerLocked(this.#locks, entry, start)
    this.#startRun(entry, start)
    return runId
  }

  /** The run of `runOnStart`; skipped if a run is active. */
  runOnStart(entry: ManagedPeriodicWorker): void {
    const start: RunStart = { runId: startRunId(entry.name, randomUUID()), kind: 'start' }
    const now = this.#parts.options.clock.now()
    const record = this.#unstarted(entry, start.runId, 'start', now)
    const active = this.activeRecord(entry.name)
    if (active) {
      this.#skip(entry, { ...record, outcome: 'skipped', reason: 'overlap', blockedBy: active.runId })
    } else if (this.#locks) {
      // It may wait for a lock for as long as a slot that is due now.
      const slot = { dueAt: now, nextDueAt: nextDueAt(effectiveSchedule(entry), now, entry.name), missedSlots: 0 }
      this.#waitForLock(this.#locks, entry, record, {
        request: { worker: entry.name, runId: start.runId },
        untilMs: startWindow(entry.definition, slot).latestStartAt,
        held: (hold) => this.#startRun(entry, start, hold),
        refused: (blockedBy) => this.#skipHeldElsewhere(entry, record, blockedBy),
        failed: () => {
          const lateByMs = Math.max(0, this.#parts.options.clock.now() - now)
          this.#skip(entry, { ...record, outcome: 'missed', reason: 'late', lateByMs })
        },
      })
    } else {
      this.#startRun(entry, start)
    }
  }

  cancel(runId: string, by: string | undefined): boolean {
    for (const [name, active] of this.#active) {
      if (active.kind === 'run' && active.run.plan.runId === runId) {
        return active.run.abort(new RunCancelledError(name, runId, by))
      }
      if (active.kind === 'waiting' && active.record.runId === runId) {
        this.#endWaiting(name, active, new RunCancelledError(name, runId, by))
        // A trigger that waits for its lock was not accepted: its caller is told, and there is nothing to record.
        if (active.record.kind === 'manual') return true
        this.#finish(active.entry, {
          ...active.record,
          finishedAt: new Date(this.#parts.options.clock.now()),
          outcome: 'aborted',
          reason: 'cancelled',
          ...(by !== undefined && { by }),
        })
        return true
      }
    }
    return false
  }

  /** A pause ends what waits: a slot is skipped, a retrying run fails with its last error. A trigger works while paused. */
  pause(name: string): void {
    const active = this.#active.get(name)
    if (active?.kind === 'run') active.run.endRetries()
    if (active?.kind !== 'waiting' || active.record.kind === 'manual') return
    this.#endWaiting(name, active, new ManagerStoppedError(`Worker "${name}" is paused.`))
    this.#skip(active.entry, {
      ...active.record,
      outcome: 'skipped',
      reason: 'paused',
    })
  }

  /** A worker that is removed keeps its active run; what waits is forgotten with it. */
  forget(name: string): void {
    const active = this.#active.get(name)
    if (active?.kind === 'waiting') this.#endWaiting(name, active, new UnknownWorkerError(name))
  }

  /** A stop takes no slot that waits, and repeats no run. */
  stopWaiting(): void {
    for (const [name, active] of this.#active) {
      if (active.kind === 'run') active.run.endRetries()
      else this.#endWaiting(name, active, new ManagerStoppedError(`Worker "${name}" does not run: the manager stops.`))
    }
  }

  /** After the runs have settled: waits until their locks are given back. */
  async stopLocks(): Promise<void> {
    await this.#locks?.stop()
  }

  #waitForJitter(entry: ManagedPeriodicWorker, slot: Slot, waitMs: number): void {
    const start = () => {
      this.#active.delete(entry.name)
      this.#carryOut(entry, slot, this.#decideAfterWait(entry, slot))
    }
    this.#active.set(entry.name, {
      kind: 'waiting',
      entry,
      record: this.#slotRecord(entry, slot),
      end: setLongTimer(this.#parts.options.clock, start, waitMs),
    })
  }

  #decideAfterWait(entry: ManagedPeriodicWorker, slot: Slot): Exclude<SlotDecision, { kind: 'wait' }> {
    const now = this.#parts.options.clock.now()
    const decision = decideSlot(entry.definition, { paused: entry.paused !== undefined }, slot, now)
    if (decision.kind !== 'wait') return decision
    // A clock that was set back during the wait is no reason to wait again.
    const runKind = slot.missedSlots > 0 ? 'catch-up' : 'scheduled'
    return { kind: 'run', runKind, startAt: now, lateByMs: 0 }
  }

  /** What waits for its lock counts as active, as a slot does that waits for its jitter. */
  #waitForLock(
    locks: WorkerLocks,
    entry: ManagedPeriodicWorker,
    record: RunRecord,
    { held, refused, failed, ...asked }: LockWaiter,
    ended: (why: BackgroundWorkerError) => void = () => {},
  ): void {
    const { name } = entry
    const noLongerWaiting = () => this.#active.delete(name)
    const endWait = locks.wait({
      ...asked,
      held: (hold) => noLongerWaiting() && held(hold),
      refused: (blockedBy) => noLongerWaiting() && refused(blockedBy),
      failed: (error) => noLongerWaiting() && failed(error),
    })
    const end = (why: BackgroundWorkerError) => {
      endWait()
      ended(why)
    }
    this.#active.set(name, { kind: 'waiting', entry, record, end })
  }

  #waitForSlotLock(locks: WorkerLocks, entry: ManagedPeriodicWorker, slot: Slot): void {
    const { latestStartAt } = startWindow(entry.definition, slot)
    const record = this.#slotRecord(entry, slot)
    this.#waitForLock(locks, entry, record, {
      request: {
        worker: entry.name,
        runId: record.runId,
        slot: { dueAt: slot.dueAt, startableForMs: latestStartAt - slot.dueAt },
      },
      untilMs: latestStartAt,
      held: (hold) => {
        const decision = this.#decideAfterWait(entry, slot)
        if (decision.kind === 'run') {
          this.#startRun(entry, slotStart(entry, slot, decision), hold)
        } else {
          locks.release(hold)
          this.#carryOut(entry, slot, decision)
        }
      },
      refused: (blockedBy) => this.#skipHeldElsewhere(entry, record, blockedBy),
      failed: () => {
        const decision = this.#decideAfterWait(entry, slot)
        const lateByMs = decision.kind === 'miss' ? decision.lateByMs : 0
        this.#carryOut(entry, slot, { kind: 'miss', reason: 'late', lateByMs })
      },
    })
  }

  #triggerLocked(locks: WorkerLocks, entry: ManagedPeriodicWorker, start: RunStart): Promise<string> {
    const { name } = entry
    const { runId, kind, by } = start
    const { promise, resolve, reject } = Promise.withResolvers<string>()
    const base = this.#unstarted(entry, runId, kind, this.#parts.options.clock.now())
    const waiter: LockWaiter = {
      request: { worker: name, runId },
      held: (hold) => {
        this.#startRun(entry, start, hold)
        resolve(runId)
      },
      refused: (blockedBy) => reject(new WorkerBusyError(name, blockedBy)),
      failed: (cause) => {
        const message = `trigger: worker "${name}" can not be locked, so it does not run. Try again later.`
        reject(new StoreUnavailableError(message, { cause }))
      },
    }
    this.#waitForLock(locks, entry, { ...base, ...(by !== undefined && { by }) }, waiter, reject)
    return promise
  }

  #skipHeldElsewhere(entry: ManagedPeriodicWorker, record: RunRecord, blockedBy: string | undefined): void {
    const details = { ...(blockedBy !== undefined && { blockedBy }) }
    this.#skip(entry, { ...record, outcome: 'skipped', reason: 'held-elsewhere', ...details })
  }

  #endWaiting(name: string, active: Extract<ActiveWork, { kind: 'waiting' }>, why: BackgroundWorkerError): void {
    this.#active.delete(name)
    active.end(why)
  }

  #carryOut(entry: ManagedPeriodicWorker, slot: Slot, decision: SlotDecision): void {
    switch (decision.kind) {
      case 'wait':
        return
      case 'run':
        if (this.#locks) this.#waitForSlotLock(this.#locks, entry, slot)
        else this.#startRun(entry, slotStart(entry, slot, decision))
        return
      case 'skip':
      case 'miss':
        // A pause leaves no record.
        if (decision.reason === 'paused') return
        this.#skip(entry, { ...this.#slotRecord(entry, slot), ...nonRunOf(decision) })
        return
      default:
        decision satisfies never
    }
  }

  #startRun(entry: ManagedPeriodicWorker, what: RunStart, hold?: LockHold): void {
    const now = this.#parts.options.clock.now()
    const { worker } = entry
    const run = new Run(
      {
        worker: { name: entry.name, doWork: (context) => worker.doWork(context) },
        policy: entry.definition.policy,
        runId: what.runId,
        kind: what.kind,
        scheduledForMs: what.scheduledForMs ?? now,
        lateByMs: what.lateByMs ?? 0,
        missedSlots: what.missedSlots ?? 0,
        nextDueAtMs: what.nextDueAtMs ?? nextDueAt(effectiveSchedule(entry), now, entry.name),
        lastSucceededAtMs: entry.hasHistory ? entry.history.lastSuccess?.finishedAt?.getTime() : undefined,
        by: what.by,
        cause: what.cause,
      },
      this.#host,
    )
    this.#active.set(entry.name, { kind: 'run', entry, run, giveBack: hold && this.#watch(run, hold) })
    entry.history.begin(run.record, entry.definition.policy.keepRuns)
    this.#parts.events.emit('run-started', run.record)
    run.start()
  }

  /** Aborts the run when its lock is lost. Gives how to give the lock back. */
  #watch(run: Run, hold: LockHold): () => void {
    const lost = () => run.abort(leaseLost(run, hold))
    hold.signal.addEventListener('abort', lost, { once: true })
    return () => {
      hold.signal.removeEventListener('abort', lost)
      this.#locks?.release(hold)
    }
  }

  #runFinished(run: Run, record: RunRecord): void {
    const active = this.#active.get(record.worker)
    if (active?.kind === 'run' && active.run === run) this.#finish(active.entry, record)
  }

  /** Only now may the worker run again. */
  #runSettled(run: Run): void {
    const name = run.plan.worker.name
    const active = this.#active.get(name)
    if (active?.kind !== 'run' || active.run !== run) return
    this.#active.delete(name)
    active.giveBack?.()
    this.#parts.reports.runSettled(name)
  }

  #finish(entry: ManagedPeriodicWorker, record: RunRecord): void {
    entry.history.finish(record, entry.definition.policy.keepRuns)
    this.#parts.health.noteFailures(entry.name, entry.history.consecutiveFailures)
    this.#parts.events.emit('run-finished', record)
    this.#parts.recorded(entry)
  }

  #skip(entry: ManagedPeriodicWorker, decided: RunRecord): void {
    const record = {
      ...decided,
      finishedAt: new Date(this.#parts.options.clock.now()),
    }
    entry.history.skip(record, entry.definition.policy.keepRuns)
    this.#parts.reports.slotSkipped(record)
    this.#parts.recorded(entry)
  }

  #slotRecord(entry: ManagedPeriodicWorker, slot: Slot): RunRecord {
    const { dueAt, missedSlots } = slot
    return this.#unstarted(entry, slotRunId(entry.name, slot), 'scheduled', dueAt, missedSlots)
  }

  #unstarted(
    { name }: ManagedPeriodicWorker,
    runId: string,
    kind: RunKind,
    scheduledForMs: number,
    missedSlots = 0,
  ): RunRecord {
    const { instanceId } = this.#parts
    return unstartedRecord({ runId, worker: name, kind, scheduledForMs, missedSlots, instanceId })
  }
}

function slotStart({ name }: ManagedPeriodicWorker, slot: Slot, { runKind, lateByMs }: RunDecision): RunStart {
  return {
    runId: slotRunId(name, slot),
    kind: runKind,
    scheduledForMs: slot.dueAt,
    lateByMs,
    missedSlots: slot.missedSlots,
    ...(slot.nextDueAt !== undefined && { nextDueAtMs: slot.nextDueAt }),
  }
}

function leaseLost(run: Run, { signal }: LockHold): LeaseLostError {
  if (signal.reason instanceof LeaseLostError) return signal.reason
  return new LeaseLostError(run.plan.worker.name, run.plan.runId, { cause: signal.reason })
}
