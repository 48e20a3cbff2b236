import type { Clock } from '@background-workers/abstractions'
import {
  FINE_AFTER_MS,
  type HealthMonitor,
  type Lifecycle,
  LoopWatch,
  OVERDUE_AFTER_MS,
  Run,
  type SafeLogger,
  type WorkerReports,
  effectiveSchedule,
  findWrong,
  isPeriodic,
  latestDueSlot,
  nextDueAt,
} from '@background-workers/abstractions/for-managers'
import type { ManagedPeriodicWorker, ManagedWorker } from './managed-worker.ts'
import type { FilledOptions } from './options.ts'
import type { SlotRunner } from './slot-runner.ts'
import { Timetable } from './timetable.ts'

/** A lag of the event loop is judged by half of this where no lock says what its lease is, in ms: then slots are overdue too. */
const DEFAULT_LEASE_MS = 20_000

/** What the slots of a manager's workers share with it. */
export interface WorkerSlotsParts {
  readonly options: FilledOptions
  readonly lifecycle: Lifecycle
  readonly logger: SafeLogger
  readonly health: HealthMonitor
  readonly reports: WorkerReports
  readonly entries: ReadonlyMap<string, ManagedWorker>
  readonly runner: SlotRunner
}

/** Which slot of each worker is the next one, that it is decided when it is due, and what is wrong where it is not. */
export class WorkerSlots {
  readonly #parts: WorkerSlotsParts
  readonly #clock: Clock
  readonly #runner: SlotRunner
  readonly #timetable: Timetable<ManagedPeriodicWorker>
  readonly #loopWatch: LoopWatch
  /** When the wall clock was last found to be set, on the monotonic clock. */
  #steppedAt: number | undefined

  constructor(parts: WorkerSlotsParts) {
    const { clock, distributedLock } = parts.options
    this.#parts = parts
    this.#clock = clock
    this.#runner = parts.runner
    this.#timetable = new Timetable({
      clock,
      due: (entry, dueAt) => this.#decide(entry, dueAt),
      steppedBack: () => this.#repairAfterStepBack(),
      ringing: (steppedMs) => this.#noteStep(steppedMs),
      overdue: (entry) => this.look(entry),
    })
    this.#loopWatch = new LoopWatch({
      limitMs: (distributedLock?.leaseMs ?? DEFAULT_LEASE_MS) / 2,
      logger: parts.logger,
      health: parts.health,
      isProgressing: () => {
        this.#forgetStep()
        return this.#isRingingInTime()
      },
    })
  }

  /** From now on slots that come due are decided. */
  open(): void {
    this.#timetable.open()
    this.#loopWatch.start()
  }

  /** Takes no new slot, and forgets which ones were to come. */
  close(): void {
    this.#timetable.close()
    this.#loopWatch.stop()
    this.#steppedAt = undefined
  }

  /** Enters the worker's next slot after now, or none where it may have no slots. */
  enterNext(entry: ManagedPeriodicWorker): void {
    if (!this.isScheduled(entry)) {
      // It may still have one of an earlier schedule, entered while a run of its name was active.
      this.drop(entry)
      return
    }
    const now = this.#clock.now()
    this.#enter(entry, this.#nextUndecided(entry, now), now)
  }

  /** From now on the worker has no slot to come. */
  drop(entry: ManagedPeriodicWorker): void {
    this.#timetable.set(entry, undefined)
  }

  /** Looks what is wrong with a worker. Only one whose slots or history have just changed is looked at, and never all of them. */
  look(entry: ManagedPeriodicWorker, now: number = this.#clock.now()): void {
    if (!entry.isAdded) return
    const hasRun = entry.hasHistory && entry.history.hasRun
    // Twice for each run, and nearly always: then nothing is made (236 of the 2,700 bytes that a run allocated).
    const isInOrder = entry.dueAt !== undefined && now - entry.dueAt <= OVERDUE_AFTER_MS && hasRun === entry.hasHistory
    if (isInOrder && this.#parts.health.isFine(entry.name)) return
    const worker = {
      name: entry.name,
      isScheduled: this.isScheduled(entry),
      dueAtMs: entry.dueAt,
      hasRun,
      // No run is lost here; otherwise they matter only as long as it has never run.
      recentOutcomes: entry.hasHistory && !hasRun ? entry.history.recentOutcomes : [],
    }
    this.#parts.reports.found(entry.name, findWrong(worker, now))
  }

  /** Looks whether slots are decided in time, and at the worker whose slot is due first. */
  lookAtProgress(): void {
    this.#loopWatch.look()
    const { first } = this.#timetable
    if (first) this.look(first)
  }

  /** An alarm that has not rung is rung by whoever notices. */
  ringIfOverdue(): void {
    const { first } = this.#timetable
    if (first && this.isOverdue(first)) this.#timetable.ring()
  }

  /** Whether the worker may have slots: not while it is paused, stopped or unready. An active run is in their way at any rate. */
  isScheduled(entry: ManagedPeriodicWorker): boolean {
    const isDecidable = entry.startState === 'ready' || this.#runner.work.runIdOf(entry) !== undefined
    return isDecidable && this.#parts.lifecycle.isWorking && !entry.paused && entry.isAdded
  }

  /** Whether the worker's next slot ought to have been decided long ago. */
  isOverdue({ dueAt }: ManagedWorker): boolean {
    return dueAt !== undefined && this.#clock.now() - dueAt > OVERDUE_AFTER_MS
  }

  /** Enters the worker's next slot, or that it has none. */
  #enter(entry: ManagedPeriodicWorker, dueAt: number | undefined, now: number): void {
    this.#timetable.set(entry, dueAt, now)
    this.look(entry, now)
  }

  #nextUndecided(entry: ManagedPeriodicWorker, now: number): number | undefined {
    const schedule = effectiveSchedule(entry)
    let next = nextDueAt(schedule, now, entry.name)
    // A clock that was set back makes a decided slot the next one again.
    while (next !== undefined && this.#runner.isDecided(entry, next)) next = nextDueAt(schedule, next, entry.name)
    return next
  }

  #decide(entry: ManagedPeriodicWorker, firstDueAt: number): void {
    // What ran just before in the same ring may have removed, paused, rescheduled or stopped it.
    if (entry.dueAt !== undefined || !this.isScheduled(entry)) return
    try {
      // The clock may have been set back since the slot came due, by what ran before it in the same ring or meanwhile.
      const now = Math.max(this.#clock.now(), firstDueAt)
      const slot = latestDueSlot(effectiveSchedule(entry), entry.name, firstDueAt, now)
      this.#enter(entry, slot.nextDueAt, now)
      this.#runner.work.lookAtWait(entry)
      // Who was told of a wait that is over may have removed, paused, rescheduled or stopped it.
      if (this.isScheduled(entry) && entry.dueAt === slot.nextDueAt) this.#runner.decide(entry, slot, now)
    } catch (err) {
      // Nothing is known to throw here; if it does, this worker keeps its schedule and the others are not touched.
      this.#parts.logger.error({ err, worker: entry.name }, 'deciding a slot failed')
      if (entry.dueAt === undefined) this.enterNext(entry)
    }
  }

  /** A due time more than one slot ahead of what the schedule says would keep the worker silent: it goes on from now. */
  #repairAfterStepBack(): void {
    const repaired: string[] = []
    for (const entry of this.#parts.entries.values()) {
      if (!isPeriodic(entry) || entry.dueAt === undefined) continue
      const expected = this.#nextUndecided(entry, this.#clock.now())
      const afterExpected =
        expected === undefined ? undefined : nextDueAt(effectiveSchedule(entry), expected, entry.name)
      if (afterExpected === undefined || entry.dueAt <= afterExpected) continue
      this.#timetable.set(entry, expected)
      this.look(entry)
      repaired.push(entry.name)
    }
    this.#parts.reports.schedulesRepaired(repaired, 'the clock was set back: schedules go on from now')
  }

  /** While the alarm does not ring, the loop watch does it. */
  #isRingingInTime(): boolean {
    const isRinging = this.#timetable.isRingingInTime
    if (!isRinging) Run.outside(() => this.#timetable.ring())
    return isRinging
  }

  #noteStep(steppedMs: number): void {
    if (steppedMs === 0) {
      this.#forgetStep()
      return
    }
    this.#steppedAt = this.#clock.monotonicNow()
    const direction = steppedMs > 0 ? 'ahead' : 'back'
    const message = `The wall clock was set ${direction} by ${Math.abs(steppedMs)} ms, or this machine slept. Slots go on from now.`
    this.#parts.logger.warn({ steppedMs }, 'the wall clock was set, or this machine slept: slots go on from now')
    this.#parts.health.add({ code: 'clock-skew', message })
  }

  /** Once it is long ago. The alarm does not ring while no slot is to come, so the loop watch looks too. */
  #forgetStep(): void {
    if (this.#steppedAt === undefined || this.#clock.monotonicNow() - this.#steppedAt <= FINE_AFTER_MS) return
    this.#steppedAt = undefined
    this.#parts.health.clear('clock-skew')
  }
}
