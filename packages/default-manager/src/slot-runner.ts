import { randomUUID } from 'node:crypto'
import {
  type IPeriodicBackgroundWorker,
  type RunKind,
  type RunRecord,
  RunCancelledError,
  type Slot,
  type SlotDecision,
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
  setLongTimer,
} from '@background-workers/abstractions/for-managers'
import { type ManagedPeriodicWorker, effectiveSchedule } from './managed-worker.ts'
import type { FilledOptions } from './options.ts'

/** What a slot runner shares with its manager. */
export interface SlotRunnerParts {
  readonly options: FilledOptions
  readonly instanceId: string
  readonly logger: GuardedLogger
  readonly events: EventHub
  readonly health: HealthMonitor
  readonly reports: WorkerReports
}

/** What makes a worker active: a slot that waits for its jitter, or a run. */
type ActiveWork =
  | {
      readonly kind: 'waiting'
      readonly entry: ManagedPeriodicWorker
      readonly record: RunRecord
      readonly clear: () => void
    }
  | {
      readonly kind: 'run'
      readonly entry: ManagedPeriodicWorker
      readonly run: Run
    }

type RunDecision = Extract<SlotDecision, { kind: 'run' }>

/** Decides slots, runs them, and holds the guard: per worker name at most one active work, across remove and add too. */
export class SlotRunner {
  readonly #parts: SlotRunnerParts
  readonly #host: RunHost
  readonly #active = new Map<string, ActiveWork>()

  constructor(parts: SlotRunnerParts) {
    this.#parts = parts
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

  /** The record of the worker's active run, or of the slot that waits for its jitter. */
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

  /** Whether the slot is the one that was decided last; it may still wait for its jitter. */
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
      ownerOf(entry),
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

  /** @throws WorkerBusyError */
  trigger(entry: ManagedPeriodicWorker, by: string | undefined): string {
    const active = this.activeRecord(entry.name)
    if (active) throw new WorkerBusyError(entry.name, active.runId)
    const runId = `${entry.name}.m-${randomUUID()}`
    this.#startRun(entry, {
      runId,
      kind: 'manual',
      ...(by !== undefined && { by }),
    })
    return runId
  }

  /** The run of `runOnStart`; skipped if a run is active. */
  runOnStart(entry: ManagedPeriodicWorker): void {
    const runId = `${entry.name}.start-${randomUUID()}`
    const active = this.activeRecord(entry.name)
    if (!active) {
      this.#startRun(entry, { runId, kind: 'start' })
      return
    }
    const now = new Date(this.#parts.options.clock.now())
    this.#skip(entry, {
      ...this.#baseRecord(entry, runId, 'start', now),
      outcome: 'skipped',
      reason: 'overlap',
      blockedBy: active.runId,
    })
  }

  cancel(runId: string, by: string | undefined): boolean {
    for (const [name, active] of this.#active) {
      if (active.kind === 'run' && active.run.plan.runId === runId) {
        return active.run.abort(new RunCancelledError(name, runId, by))
      }
      if (active.kind === 'waiting' && active.record.runId === runId) {
        this.#endWaiting(name, active)
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

  /** A pause ends what waits: a jittered slot is skipped, a retrying run fails with its last error. */
  pause(name: string): void {
    const active = this.#active.get(name)
    if (active?.kind === 'run') active.run.endRetries()
    if (active?.kind !== 'waiting') return
    this.#endWaiting(name, active)
    this.#skip(active.entry, {
      ...active.record,
      outcome: 'skipped',
      reason: 'paused',
    })
  }

  /** A worker that is removed keeps its active run; a slot that waits for its jitter is forgotten with it. */
  forget(name: string): void {
    const active = this.#active.get(name)
    if (active?.kind === 'waiting') this.#endWaiting(name, active)
  }

  /** A stop takes no slot that waits, and repeats no run. */
  stopWaiting(): void {
    for (const [name, active] of this.#active) {
      if (active.kind === 'run') active.run.endRetries()
      else this.#endWaiting(name, active)
    }
  }

  #waitForJitter(entry: ManagedPeriodicWorker, slot: Slot, waitMs: number): void {
    const start = () => {
      this.#active.delete(entry.name)
      const now = this.#parts.options.clock.now()
      const decision = decideSlot(ownerOf(entry), { paused: entry.paused !== undefined }, slot, now)
      // A clock that was set back during the wait is no reason to wait again.
      const runKind = slot.missedSlots > 0 ? 'catch-up' : 'scheduled'
      this.#carryOut(
        entry,
        slot,
        decision.kind === 'wait' ? { kind: 'run', runKind, startAt: now, lateByMs: 0 } : decision,
      )
    }
    this.#active.set(entry.name, {
      kind: 'waiting',
      entry,
      record: this.#slotRecord(entry, slot, 'scheduled'),
      clear: setLongTimer(this.#parts.options.clock, start, waitMs),
    })
  }

  #endWaiting(name: string, active: Extract<ActiveWork, { kind: 'waiting' }>): void {
    active.clear()
    this.#active.delete(name)
  }

  #carryOut(entry: ManagedPeriodicWorker, slot: Slot, decision: SlotDecision): void {
    switch (decision.kind) {
      case 'wait':
        return
      case 'run':
        this.#startSlot(entry, slot, decision)
        return
      case 'skip':
        // A pause leaves no record.
        if (decision.reason === 'paused') return
        this.#skip(entry, {
          ...this.#slotRecord(entry, slot, 'scheduled'),
          outcome: 'skipped',
          reason: decision.reason,
          ...(decision.blockedBy !== undefined && {
            blockedBy: decision.blockedBy,
          }),
        })
        return
      case 'miss':
        this.#skip(entry, {
          ...this.#slotRecord(entry, slot, 'scheduled'),
          outcome: 'missed',
          reason: decision.reason,
          lateByMs: decision.lateByMs,
        })
        return
      default:
        decision satisfies never
    }
  }

  #startSlot(entry: ManagedPeriodicWorker, slot: Slot, { runKind, lateByMs }: RunDecision): void {
    this.#startRun(entry, {
      runId: slotRunId(entry.name, slot),
      kind: runKind,
      scheduledForMs: slot.dueAt,
      lateByMs,
      missedSlots: slot.missedSlots,
      ...(slot.nextDueAt !== undefined && { nextDueAtMs: slot.nextDueAt }),
    })
  }

  #startRun(
    entry: ManagedPeriodicWorker,
    what: {
      readonly runId: string
      readonly kind: RunKind
      readonly scheduledForMs?: number
      readonly lateByMs?: number
      readonly missedSlots?: number
      readonly nextDueAtMs?: number
      readonly by?: string
    },
  ): void {
    const now = this.#parts.options.clock.now()
    const worker = entry.worker as IPeriodicBackgroundWorker
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
      },
      this.#host,
    )
    this.#active.set(entry.name, { kind: 'run', entry, run })
    entry.history.begin(run.record, entry.definition.policy.keepRuns)
    this.#parts.events.emit('run-started', run.record)
    run.start()
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
    this.#parts.reports.runSettled(name)
  }

  #finish(entry: ManagedPeriodicWorker, record: RunRecord): void {
    entry.history.finish(record, entry.definition.policy.keepRuns)
    this.#parts.health.noteFailures(entry.name, entry.history.consecutiveFailures)
    this.#parts.events.emit('run-finished', record)
  }

  #skip(entry: ManagedPeriodicWorker, decided: RunRecord): void {
    const record = {
      ...decided,
      finishedAt: new Date(this.#parts.options.clock.now()),
    }
    entry.history.skip(record, entry.definition.policy.keepRuns)
    this.#parts.reports.slotSkipped(record)
  }

  #slotRecord(entry: ManagedPeriodicWorker, slot: Slot, kind: RunKind): RunRecord {
    return {
      ...this.#baseRecord(entry, slotRunId(entry.name, slot), kind, new Date(slot.dueAt)),
      ...(slot.missedSlots > 0 && { missedSlots: slot.missedSlots }),
    }
  }

  #baseRecord(entry: ManagedPeriodicWorker, runId: string, kind: RunKind, scheduledFor: Date): RunRecord {
    return {
      runId,
      worker: entry.name,
      kind,
      scheduledFor,
      attempts: 0,
      instanceId: this.#parts.instanceId,
    }
  }
}

function ownerOf(entry: ManagedPeriodicWorker): {
  name: string
  policy: ManagedPeriodicWorker['definition']['policy']
} {
  return entry.definition
}

function slotRunId(name: string, slot: Slot): string {
  return `${name}.${slot.dueAt}`
}
