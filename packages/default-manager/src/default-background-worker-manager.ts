import type {
  ByOption,
  Clock,
  HealthReport,
  IBackgroundWorker,
  IBackgroundWorkerManager,
  ManagerEventName,
  ManagerEvents,
  ManagerState,
  PauseOptions,
  RunRecord,
  RunsOptions,
  Schedule,
  StopOptions,
  StopReport,
  WorkerStatus,
} from '@background-workers/abstractions'
import {
  type EntryHost,
  FINE_AFTER_MS,
  LoopWatch,
  type ManagerParts,
  ManagerStoppedError,
  NotPeriodicError,
  OVERDUE_AFTER_MS,
  Run,
  type StoppableWorker,
  UnknownWorkerError,
  WorkerNotReadyError,
  WorkerStops,
  checkCall,
  checkCancel,
  checkName,
  checkNewSchedule,
  createManagerParts,
  createWorkerEntry,
  effectiveSchedule,
  findWrong,
  healthReport,
  isPeriodic,
  isSameSchedule,
  latestDueSlot,
  nextDueAt,
  pauseInfo,
  scheduleOverride,
} from '@background-workers/abstractions/for-managers'
import { type ManagedPeriodicWorker, ManagedWorker } from './managed-worker.ts'
import { type DefaultManagerOptions, type FilledOptions, fillOptions } from './options.ts'
import type { RunHistory } from './run-history.ts'
import { SlotRunner } from './slot-runner.ts'
import { Timetable } from './timetable.ts'
import { describeWorker } from './worker-status.ts'

/** The smallest period, in ms. */
const MIN_PERIOD_MS = 1

/** A lag of the event loop is judged by half of this where no lock says what its lease is, in ms: then slots are overdue too. */
const DEFAULT_LEASE_MS = 20_000

/** The records of so many removed workers wait for the worker to be added again. */
const REMOVED_HISTORIES_KEPT = 1_000

/**
 * The default manager: timers in this process, and nothing else needed. It is per process by nature: each instance of
 * an application runs every worker, and nothing is kept after the process ends.
 */
export class DefaultBackgroundWorkerManager implements IBackgroundWorkerManager {
  readonly #parts: ManagerParts<FilledOptions>
  readonly #clock: Clock
  readonly #stops: WorkerStops
  readonly #runner: SlotRunner
  readonly #timetable: Timetable<ManagedPeriodicWorker>
  readonly #loopWatch: LoopWatch
  readonly #entryHost: EntryHost
  readonly #entries = new Map<string, ManagedWorker>()
  readonly #removedHistories = new Map<string, RunHistory>()
  /** When the wall clock was last found to be set, on the monotonic clock. */
  #steppedAt: number | undefined

  /** @throws InvalidOptionsError */
  constructor(options: DefaultManagerOptions = {}) {
    const parts = createManagerParts(fillOptions(options))
    const { clock, distributedLock } = parts.options
    this.#parts = parts
    this.#clock = clock
    this.#entryHost = {
      ...parts,
      clock,
      minPeriodMs: MIN_PERIOD_MS,
      entries: this.#entries,
      workerReady: (worker, name) => this.#workerReady(worker, name),
    }
    this.#stops = new WorkerStops(clock)
    this.#runner = new SlotRunner({ ...parts, recorded: (entry, now) => this.#look(entry, now) })
    this.#timetable = new Timetable({
      clock,
      due: (entry, dueAt) => this.#decide(entry, dueAt),
      steppedBack: () => this.#repairAfterStepBack(),
      ringing: (steppedMs) => this.#noteStep(steppedMs),
      overdue: (entry) => this.#look(entry),
    })
    this.#loopWatch = new LoopWatch({
      limitMs: (distributedLock?.leaseMs ?? DEFAULT_LEASE_MS) / 2,
      logger: parts.logger,
      health: parts.health,
      isProgressing: () => this.#isRingingInTime(),
    })
  }

  get state(): ManagerState {
    return this.#parts.lifecycle.state
  }

  start(): Promise<void> {
    return this.#parts.lifecycle.start(async () => this.#start())
  }

  async stop(options: StopOptions = {}): Promise<StopReport> {
    return this.#parts.lifecycle.stop(options, (timeoutMs) => this.#stop(timeoutMs))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async add(worker: IBackgroundWorker): Promise<void> {
    const added = createWorkerEntry(worker, this.#entryHost)
    const { name } = added.definition
    const entry = new ManagedWorker(added, this.#removedHistories.get(name))
    this.#removedHistories.delete(name)
    this.#entries.set(name, entry)
    this.#parts.events.emit('worker-added', { worker: name })
    // A listener may have removed it.
    if (!this.#parts.lifecycle.isWorking || !entry.isAdded) return
    this.#startWorker(entry)
    this.#runOnStart(entry)
  }

  async remove(name: string, options: ByOption = {}): Promise<boolean> {
    const given = checkCall('remove', name, options)
    const entry = this.#entries.get(name)
    if (!entry) return false
    this.#entries.delete(name)
    entry.isAdded = false
    this.#parts.health.clearWorker(name)
    this.#runner.work.forget(entry)
    if (isPeriodic(entry)) this.#timetable.set(entry, undefined)
    if (entry.hasHistory) this.#keepHistory(name, entry.history)
    this.#stops.letGo(this.#stoppable(entry))
    this.#parts.reports.removed(name, given)
    return true
  }

  async trigger(name: string, options: ByOption = {}): Promise<string> {
    const given = checkCall('trigger', name, options)
    const entry = this.#periodic(name, 'trigger')
    if (!this.#parts.options.isEnabled) {
      throw new ManagerStoppedError(
        'trigger: this manager is disabled (isEnabled: false), so it runs nothing. Trigger where it is enabled.',
      )
    }
    if (!this.#parts.lifecycle.isRunning) {
      throw new ManagerStoppedError(`trigger: the manager is ${this.state}, so it runs nothing. Call start() first.`)
    }
    if (!entry.starter.isReady) throw new WorkerNotReadyError(name)
    return this.#runner.trigger(entry, given.by)
  }

  async cancel(runId: string, options: ByOption = {}): Promise<boolean> {
    checkCancel(runId, options)
    return this.#runner.work.cancel(runId, options.by)
  }

  async pause(name: string, options: PauseOptions = {}): Promise<void> {
    const given = checkCall('pause', name, options)
    const entry = this.#periodic(name, 'pause')
    entry.paused = pauseInfo(given, entry.paused, this.#clock.now())
    this.#timetable.set(entry, undefined)
    this.#runner.work.pause(entry)
    this.#look(entry)
    this.#parts.reports.paused(name, given)
  }

  async resume(name: string, options: ByOption = {}): Promise<void> {
    const given = checkCall('resume', name, options)
    const entry = this.#periodic(name, 'resume')
    if (!entry.paused) return
    entry.paused = undefined
    this.#schedule(entry)
    this.#parts.reports.resumed(name, given)
  }

  async reschedule(name: string, schedule: Schedule | undefined, options: ByOption = {}): Promise<void> {
    const given = checkCall('reschedule', name, options)
    const entry = this.#periodic(name, 'reschedule')
    const checked = checkNewSchedule(name, schedule, MIN_PERIOD_MS)
    const before = effectiveSchedule(entry)
    entry.override = scheduleOverride(checked, given, this.#clock.now())
    const after = effectiveSchedule(entry)
    if (!isSameSchedule(before, after)) this.#schedule(entry)
    this.#parts.reports.rescheduled(name, after, given)
  }

  async list(): Promise<WorkerStatus[]> {
    return [...this.#entries.values()].map((entry) => this.#describe(entry))
  }

  async get(name: string): Promise<WorkerStatus | undefined> {
    checkName('get', name)
    const entry = this.#entries.get(name)
    return entry && this.#describe(entry)
  }

  async runs(name: string, options: RunsOptions = {}): Promise<RunRecord[]> {
    const given = checkCall('runs', name, options)
    const entry = this.#entries.get(name)
    if (!entry) throw new UnknownWorkerError(name)
    return entry.hasHistory ? entry.history.list(given.limit ?? Number.POSITIVE_INFINITY) : []
  }

  async health(): Promise<HealthReport> {
    let { reasons } = this.#parts.health
    // Neither what is told nor what is then decided belongs to a run that asks.
    Run.outside(() => {
      this.#loopWatch.look()
      const { first } = this.#timetable
      if (first) this.#look(first)
      reasons = this.#parts.health.reasons
      // An alarm that has not rung is rung by whoever notices.
      if (first && this.#isOverdue(first)) this.#timetable.ring()
    })
    return healthReport(this.state, reasons)
  }

  on<Name extends ManagerEventName>(event: Name, listener: (payload: ManagerEvents[Name]) => unknown): () => void {
    return this.#parts.events.on(event, listener)
  }

  #start(): void {
    if (!this.#parts.options.isEnabled) {
      this.#parts.reports.managerDisabled()
      return
    }
    const entries = [...this.#entries.values()]
    const runningOnStart: ManagedPeriodicWorker[] = []
    for (const entry of entries) {
      // A worker's start may remove another.
      if (entry.isAdded) this.#startWorker(entry)
      if (isPeriodic(entry) && entry.definition.policy.runOnStart) runningOnStart.push(entry)
    }
    this.#runner.work.watchAgain((worker) => this.#parts.health.has('stuck', worker))
    this.#timetable.open()
    this.#loopWatch.start()
    for (const entry of runningOnStart) this.#runOnStart(entry)
    this.#parts.reports.managerStarted({ workers: entries.length, instanceId: this.#parts.instanceId })
  }

  async #stop(timeoutMs: number): Promise<StopReport> {
    const { clock } = this.#parts.options
    const deadline = clock.monotonicNow() + timeoutMs
    this.#timetable.close()
    this.#loopWatch.stop()
    this.#steppedAt = undefined
    const caller = Run.current()
    const runs = (await this.#runner.stopWaiting(timeoutMs)).filter((run) => run !== caller)
    const stopping = runs.map((run) => ({ run, done: run.drained }))
    const workers = [...this.#entries.values()].map((entry) => this.#stoppable(entry))
    const abandoned = await this.#stops.stopAll(
      stopping,
      workers,
      Math.max(0, Math.round(deadline - clock.monotonicNow())),
    )
    for (const { name } of workers) this.#parts.health.clear('start-failed', name)
    for (const run of runs) if (!run.isSettled) run.abandon()
    await this.#runner.stopLocks(deadline)
    const report = { finished: runs.filter((run) => run.isSettled).length, abandoned }
    this.#parts.reports.managerStopped(report)
    return report
  }

  #stoppable(entry: ManagedWorker): StoppableWorker {
    const { name, starter } = entry
    return { name, starter, run: this.#runner.work.runOf(entry) }
  }

  /** Its first slot comes after its own `start`, if it has one. */
  #startWorker(entry: ManagedWorker): void {
    entry.starter.start()
    if (isPeriodic(entry)) this.#schedule(entry)
  }

  #workerReady(worker: IBackgroundWorker, name: string): void {
    const entry = this.#entries.get(name)
    if (entry?.worker !== worker) return
    if (isPeriodic(entry)) this.#schedule(entry)
    this.#parts.reports.started(entry.name)
    this.#runOnStart(entry)
  }

  #runOnStart(entry: ManagedWorker): void {
    if (isPeriodic(entry) && entry.definition.policy.runOnStart && entry.starter.isReady && !entry.paused) {
      this.#runner.runOnStart(entry)
    }
  }

  /** Enters the worker's next slot after now; a paused, stopped or unready one has none. */
  #schedule(entry: ManagedPeriodicWorker): void {
    if (!this.#isScheduled(entry)) return
    const now = this.#clock.now()
    this.#enter(entry, this.#nextUndecided(entry, now), now)
  }

  #isScheduled(entry: ManagedPeriodicWorker): boolean {
    return this.#parts.lifecycle.isWorking && entry.starter.isReady && !entry.paused && entry.isAdded
  }

  /** Enters the worker's next slot, or that it has none. */
  #enter(entry: ManagedPeriodicWorker, dueAt: number | undefined, now: number): void {
    this.#timetable.set(entry, dueAt, now)
    this.#look(entry, now)
  }

  /** Looks what is wrong with a worker. Only one whose slots or history have just changed is looked at, and never all of them. */
  #look(entry: ManagedPeriodicWorker, now: number = this.#clock.now()): void {
    if (!entry.isAdded) return
    const hasRun = entry.hasHistory && entry.history.hasRun
    // Twice for each run, and nearly always: then nothing is made (236 of the 2,700 bytes that a run allocated).
    const isInOrder = entry.dueAt !== undefined && now - entry.dueAt <= OVERDUE_AFTER_MS && hasRun === entry.hasHistory
    if (isInOrder && this.#parts.health.isFine(entry.name)) return
    const worker = {
      name: entry.name,
      isScheduled: this.#isScheduled(entry),
      dueAtMs: entry.dueAt,
      hasRun,
      // No run is lost here; otherwise they matter only as long as it has never run.
      recentOutcomes: entry.hasHistory && !hasRun ? entry.history.recentOutcomes : [],
    }
    this.#parts.reports.found(entry.name, findWrong(worker, now))
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
    const isStillDue = this.#parts.lifecycle.isWorking && !entry.paused && entry.dueAt === undefined && entry.isAdded
    if (!isStillDue) return
    try {
      const now = this.#clock.now()
      const slot = latestDueSlot(effectiveSchedule(entry), entry.name, firstDueAt, now)
      this.#enter(entry, slot.nextDueAt, now)
      this.#runner.work.lookAtWait(entry)
      // Who was told of a wait that is over may have removed, paused, rescheduled or stopped it.
      if (this.#isScheduled(entry) && entry.dueAt === slot.nextDueAt) this.#runner.decide(entry, slot, now)
    } catch (err) {
      // Nothing is known to throw here; if it does, this worker keeps its schedule and the others are not touched.
      this.#parts.logger.error({ err, worker: entry.name }, 'deciding a slot failed')
      if (entry.dueAt === undefined) this.#schedule(entry)
    }
  }

  /** A due time more than one slot ahead of what the schedule says would keep the worker silent: it goes on from now. */
  #repairAfterStepBack(): void {
    const repaired: string[] = []
    for (const entry of this.#entries.values()) {
      if (!isPeriodic(entry) || entry.dueAt === undefined) continue
      const expected = this.#nextUndecided(entry, this.#clock.now())
      const afterExpected =
        expected === undefined ? undefined : nextDueAt(effectiveSchedule(entry), expected, entry.name)
      if (afterExpected === undefined || entry.dueAt <= afterExpected) continue
      this.#timetable.set(entry, expected)
      this.#look(entry)
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
    const now = this.#clock.monotonicNow()
    if (steppedMs !== 0) {
      this.#steppedAt = now
      const direction = steppedMs > 0 ? 'ahead' : 'back'
      const message = `The wall clock was set ${direction} by ${Math.abs(steppedMs)} ms, or this machine slept. Slots go on from now.`
      this.#parts.logger.warn({ steppedMs }, 'the wall clock was set, or this machine slept: slots go on from now')
      this.#parts.health.add({ code: 'clock-skew', message })
    } else if (this.#steppedAt !== undefined && now - this.#steppedAt > FINE_AFTER_MS) {
      this.#steppedAt = undefined
      this.#parts.health.clear('clock-skew')
    }
  }

  #isOverdue({ dueAt }: ManagedWorker): boolean {
    return dueAt !== undefined && this.#clock.now() - dueAt > OVERDUE_AFTER_MS
  }

  #keepHistory(name: string, history: RunHistory): void {
    this.#removedHistories.set(name, history)
    const [oldest] = this.#removedHistories.keys()
    if (this.#removedHistories.size > REMOVED_HISTORIES_KEPT && oldest !== undefined)
      this.#removedHistories.delete(oldest)
  }

  #describe(entry: ManagedWorker): WorkerStatus {
    return describeWorker(entry, {
      activeRun: this.#runner.work.recordOf(entry),
      isStuck: this.#parts.health.has('stuck', entry.name),
      isOverdue: this.#isOverdue(entry),
    })
  }

  #periodic(name: string, action: string): ManagedPeriodicWorker {
    const entry = this.#entries.get(name)
    if (!entry) throw new UnknownWorkerError(name)
    if (!isPeriodic(entry)) throw new NotPeriodicError(name, action)
    return entry
  }
}
