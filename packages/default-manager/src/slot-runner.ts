import type { BackgroundWorkerError, Clock, RunRecord, Slot, SlotDecision } from '@background-workers/abstractions'
import {
  type Run,
  type SafeLogger,
  StoreUnavailableError,
  WorkerBusyError,
  WorkerNotReadyError,
  causeOfTrigger,
  decideSlot,
  manualRunId,
  nonRunOf,
  setWallTimer,
  slotRunId,
  startRunId,
  startWindow,
} from '@background-workers/abstractions/for-managers'
import { ActiveWork, type RunStart, slotAt } from './active-work.ts'
import type { LockWaiter } from './lock-wait.ts'
import type { ManagedPeriodicWorker } from './managed-worker.ts'
import { RunRecords, type RunRecordsParts } from './run-records.ts'
import { WorkerLocks } from './worker-locks.ts'

/** What a slot runner shares with its manager. */
export interface SlotRunnerParts extends RunRecordsParts {
  readonly logger: SafeLogger
}

/** How long a stop waits for locks that are asked for, at most; that counts towards its deadline. */
const ASKING_MS = 1_000

type RunDecision = Extract<SlotDecision, { kind: 'run' }>

/** Decides what becomes of slots, triggers and `runOnStart`, and lets them wait for their jitter and their lock before they run. */
export class SlotRunner {
  /** What waits and what runs, and how it is ended. */
  readonly work: ActiveWork
  readonly #clock: Clock
  readonly #records: RunRecords
  readonly #locks: WorkerLocks | undefined

  constructor(parts: SlotRunnerParts) {
    const { clock, distributedLock: lock } = parts.options
    const { logger, events, health } = parts
    this.#clock = clock
    this.#records = new RunRecords(parts)
    this.#locks = lock && new WorkerLocks({ lock, clock, logger, events, health })
    this.work = new ActiveWork({ ...parts, records: this.#records, locks: this.#locks })
  }

  /** Whether the slot is the one that was decided last; it may still wait for its jitter or its lock. */
  isDecided(entry: ManagedPeriodicWorker, slotMs: number): boolean {
    const isWaiting = this.work.waitingRecordOf(entry)?.scheduledFor.getTime() === slotMs
    return isWaiting || (entry.hasHistory && entry.history.lastSlotMs === slotMs)
  }

  /** Decides a slot that has come due, and carries the decision out. */
  decide(entry: ManagedPeriodicWorker, slot: Slot, now: number): void {
    // A clock that was set back makes the slot due again while it still waits or runs.
    const activeRunId = this.work.runIdOf(entry)
    if (activeRunId !== undefined && activeRunId === slotRunId(entry.name, slot)) return
    const decision = decideSlot(
      entry.definition,
      {
        paused: entry.paused !== undefined,
        activeRunId,
      },
      slot,
      now,
    )
    if (decision.kind === 'run' && decision.startAt > now) this.#waitForJitter(entry, slot, decision.startAt)
    else this.#carryOut(entry, slot, decision, now)
  }

  /** @throws WorkerBusyError, WorkerNotReadyError, and with a lock StoreUnavailableError */
  trigger(entry: ManagedPeriodicWorker, by: string | undefined): string | Promise<string> {
    const activeRunId = this.work.runIdOf(entry)
    if (activeRunId !== undefined) throw new WorkerBusyError(entry.name, activeRunId)
    if (entry.startState !== 'ready') throw new WorkerNotReadyError(entry.name)
    const runId = manualRunId(entry.name)
    const start: RunStart & { readonly runId: string } = {
      runId,
      kind: 'manual',
      cause: causeOfTrigger(entry.name),
      ...(by !== undefined && { by }),
    }
    if (this.#locks) return this.#triggerLocked(this.#locks, entry, start)
    this.work.start(entry, start, this.#clock.now())
    return runId
  }

  /** The run of `runOnStart`; skipped if a run is active. */
  runOnStart(entry: ManagedPeriodicWorker): void {
    const start = { runId: startRunId(entry.name, crypto.randomUUID()), kind: 'start' } as const
    const now = this.#clock.now()
    const record = this.#records.unstarted(entry, start.runId, 'start', now)
    const blockedBy = this.work.runIdOf(entry)
    if (blockedBy !== undefined) {
      this.#records.skip(entry, { ...record, outcome: 'skipped', reason: 'overlap', blockedBy })
    } else if (this.#locks) {
      // It may wait for a lock for as long as the next slot; until that there may be a moment only.
      const slot = slotAt(entry, slotAt(entry, now).nextDueAt ?? now)
      this.#waitForLock(this.#locks, entry, record, {
        request: { worker: entry.name, runId: start.runId },
        untilMs: now + startWindow(entry.definition, slot).latestStartAt - slot.dueAt,
        held: (hold) => this.work.start(entry, start, this.#clock.now(), hold),
        refused: (blockedBy) => this.#skipHeldElsewhere(entry, record, blockedBy),
        failed: () => {
          const lateByMs = Math.max(0, this.#clock.now() - now)
          this.#records.skip(entry, { ...record, outcome: 'missed', reason: 'late', lateByMs })
        },
      })
    } else {
      this.work.start(entry, start, now)
    }
  }

  /**
   * A stop has begun: nothing waits any more for its jitter or a retry. What asks for its lock is waited for, 1 s at most: it may
   * have claimed its slot, which nobody else runs then, so it runs. Gives all runs that the stop is about.
   */
  async stopWaiting(timeoutMs: number): Promise<Run[]> {
    this.work.stopWaiting()
    await this.#locks?.answered(Math.min(timeoutMs, ASKING_MS))
    return this.work.stopAsking()
  }

  /**
   * The stop waits for no run any more: says so to the locks of those that go on, and waits until the others are given back, not
   * much beyond its deadline.
   */
  async stopLocks(deadline: number): Promise<void> {
    this.work.leaveLocks()
    await this.#locks?.stop(deadline)
  }

  #waitForJitter(entry: ManagedPeriodicWorker, slot: Slot, startAt: number): void {
    const start = () => {
      this.work.waited(entry)
      const now = this.#clock.now()
      this.#carryOut(entry, slot, this.#decideAfterWait(entry, slot, now), now)
    }
    const { look, clear: end } = setWallTimer(this.#clock, start, startAt)
    this.work.wait({ entry, record: this.#records.ofSlot(entry, slot), look, end })
  }

  #decideAfterWait(entry: ManagedPeriodicWorker, slot: Slot, now: number): Exclude<SlotDecision, { kind: 'wait' }> {
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
    const noLongerWaiting = () => this.work.waited(entry)
    const wait = locks.wait({
      ...asked,
      held: (hold) => noLongerWaiting() && held(hold),
      refused: (blockedBy) => noLongerWaiting() && refused(blockedBy),
      failed: (error) => noLongerWaiting() && failed(error),
    })
    const end = (why: BackgroundWorkerError) => {
      wait.end()
      ended(why)
    }
    this.work.wait({ entry, record, isAsking: true, look: () => wait.look(), end })
  }

  #waitForSlotLock(locks: WorkerLocks, entry: ManagedPeriodicWorker, slot: Slot): void {
    const { latestStartAt } = startWindow(entry.definition, slot)
    const record = this.#records.ofSlot(entry, slot)
    this.#waitForLock(locks, entry, record, {
      request: {
        worker: entry.name,
        runId: record.runId,
        slot: { dueAt: slot.dueAt, startableForMs: latestStartAt - slot.dueAt },
      },
      untilMs: latestStartAt,
      held: (hold) => {
        const now = this.#clock.now()
        const decision = this.#decideAfterWait(entry, slot, now)
        if (decision.kind === 'run') {
          this.work.start(entry, slotStart(slot, decision), now, hold)
        } else {
          locks.release(hold)
          this.#carryOut(entry, slot, decision, now)
        }
      },
      refused: (blockedBy) => this.#skipHeldElsewhere(entry, record, blockedBy),
      failed: () => {
        const now = this.#clock.now()
        const decision = this.#decideAfterWait(entry, slot, now)
        const lateByMs = decision.kind === 'miss' ? decision.lateByMs : 0
        this.#carryOut(entry, slot, { kind: 'miss', reason: 'late', lateByMs }, now)
      },
    })
  }

  #triggerLocked(
    locks: WorkerLocks,
    entry: ManagedPeriodicWorker,
    start: RunStart & { readonly runId: string },
  ): Promise<string> {
    const { name } = entry
    const { runId, kind, by } = start
    const { promise, resolve, reject } = Promise.withResolvers<string>()
    const base = this.#records.unstarted(entry, runId, kind, this.#clock.now())
    const waiter: LockWaiter = {
      request: { worker: name, runId },
      held: (hold) => {
        this.work.start(entry, start, this.#clock.now(), hold)
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
    this.#records.skip(entry, { ...record, outcome: 'skipped', reason: 'held-elsewhere', ...details })
  }

  #carryOut(entry: ManagedPeriodicWorker, slot: Slot, decision: SlotDecision, now: number): void {
    switch (decision.kind) {
      case 'wait':
        return
      case 'run':
        if (this.#locks) this.#waitForSlotLock(this.#locks, entry, slot)
        else this.work.start(entry, slotStart(slot, decision), now)
        return
      case 'skip':
      case 'miss':
        // A pause leaves no record.
        if (decision.reason === 'paused') return
        this.#records.skip(entry, { ...this.#records.ofSlot(entry, slot), ...nonRunOf(decision) })
        return
      default:
        decision satisfies never
    }
  }
}

function slotStart(slot: Slot, { runKind, lateByMs }: RunDecision): RunStart {
  return { kind: runKind, slot, lateByMs }
}
