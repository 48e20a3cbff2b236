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
  type ManagerParts,
  ManagerStoppedError,
  NotPeriodicError,
  Run,
  type StoppableWorker,
  UnknownWorkerError,
  WorkerStarts,
  WorkerStops,
  admitWorker,
  checkCall,
  checkCancel,
  checkName,
  checkNewSchedule,
  createManagerParts,
  effectiveSchedule,
  healthReport,
  isPeriodic,
  isSameSchedule,
  pauseInfo,
  scheduleOverride,
  stopReport,
} from '@background-workers/abstractions/for-managers'
import { type ManagedPeriodicWorker, ManagedWorker } from './managed-worker.ts'
import { type DefaultManagerOptions, type FilledOptions, fillOptions } from './options.ts'
import type { RunHistory } from './run-history.ts'
import { SlotRunner } from './slot-runner.ts'
import { WorkerSlots } from './worker-slots.ts'
import { describeWorker } from './worker-status.ts'

/** The smallest period, in ms. */
const MIN_PERIOD_MS = 1

/** The records of so many removed workers wait for the worker to be added again. */
const REMOVED_HISTORIES_KEPT = 1_000

/**
 * The default manager: timers in this process, and nothing else needed. It is per process by nature: each instance of
 * an application runs every worker, and nothing is kept after the process ends.
 */
export class DefaultBackgroundWorkerManager implements IBackgroundWorkerManager {
  readonly #parts: ManagerParts<FilledOptions>
  readonly #clock: Clock
  readonly #starts: WorkerStarts<ManagedWorker>
  readonly #stops: WorkerStops
  readonly #runner: SlotRunner
  readonly #slots: WorkerSlots
  readonly #entryHost: EntryHost
  readonly #entries = new Map<string, ManagedWorker>()
  readonly #removedHistories = new Map<string, RunHistory>()

  /** @throws InvalidOptionsError */
  constructor(options: DefaultManagerOptions = {}) {
    const parts = createManagerParts(fillOptions(options))
    const { clock } = parts.options
    this.#parts = parts
    this.#clock = clock
    this.#stops = new WorkerStops(clock)
    this.#starts = new WorkerStarts({
      ...parts,
      clock,
      stops: this.#stops,
      workerReady: (entry) => this.#workerReady(entry),
    })
    this.#entryHost = {
      minPeriodMs: MIN_PERIOD_MS,
      defaultPolicy: parts.options.defaultPolicy,
      createWorkerLogger: parts.createWorkerLogger,
      entries: this.#entries,
    }
    this.#runner = new SlotRunner({ ...parts, recorded: (entry, now) => this.#slots.look(entry, now) })
    this.#slots = new WorkerSlots({ ...parts, entries: this.#entries, runner: this.#runner })
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
    const definition = admitWorker(worker, this.#entryHost)
    const { name } = definition
    const entry = new ManagedWorker(worker, definition, this.#removedHistories.get(name))
    this.#removedHistories.delete(name)
    this.#entries.set(name, entry)
    this.#parts.events.emit('worker-added', { worker: name })
    // A listener may have removed it.
    if (!entry.isAdded) return
    this.#noteFailures(entry)
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
    this.#runner.work.forget(entry)
    if (isPeriodic(entry)) this.#slots.drop(entry)
    if (entry.hasHistory) this.#keepHistory(name, entry.history)
    this.#stops.letGo(this.#stoppable(entry))
    // Who is told of it may add the worker again.
    this.#parts.reports.removed(name, given)
    this.#parts.health.clearWorker(name)
    const successor = this.#entries.get(name)
    if (successor) this.#noteFailures(successor)
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
    this.#slots.drop(entry)
    this.#runner.work.pause(entry)
    this.#slots.look(entry)
    this.#parts.reports.paused(name, given)
  }

  async resume(name: string, options: ByOption = {}): Promise<void> {
    const given = checkCall('resume', name, options)
    const entry = this.#periodic(name, 'resume')
    if (!entry.paused) return
    entry.paused = undefined
    this.#slots.enterNext(entry)
    this.#parts.reports.resumed(name, given)
  }

  async reschedule(name: string, schedule: Schedule | undefined, options: ByOption = {}): Promise<void> {
    const given = checkCall('reschedule', name, options)
    const entry = this.#periodic(name, 'reschedule')
    const checked = checkNewSchedule(name, schedule, MIN_PERIOD_MS)
    const before = effectiveSchedule(entry)
    entry.override = scheduleOverride(checked, given, this.#clock.now())
    const after = effectiveSchedule(entry)
    if (!isSameSchedule(before, after)) this.#slots.enterNext(entry)
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
      this.#slots.lookAtProgress()
      reasons = this.#parts.health.reasons
      this.#slots.ringIfOverdue()
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
    this.#slots.open()
    for (const entry of runningOnStart) this.#runOnStart(entry)
    this.#parts.reports.managerStarted({ workers: entries.length, instanceId: this.#parts.instanceId })
  }

  async #stop(timeoutMs: number): Promise<StopReport> {
    const { clock } = this.#parts.options
    const deadline = clock.monotonicNow() + timeoutMs
    this.#slots.close()
    const caller = Run.current()
    const runs = (await this.#runner.stopWaiting(timeoutMs)).filter((run) => run !== caller)
    const stopping = runs.map((run) => ({ run, done: run.drained }))
    const workers = [...this.#entries.values()].map((entry) => this.#stoppable(entry))
    const remainingMs = Math.max(0, Math.round(deadline - clock.monotonicNow()))
    const abandoned = await this.#stops.stopAll(stopping, workers, { timeoutMs, remainingMs })
    for (const { name } of workers) this.#parts.health.clear('start-failed', name)
    for (const run of runs) if (!run.isSettled) run.abandon()
    await this.#runner.stopLocks(deadline)
    const report = stopReport(runs, abandoned)
    this.#parts.reports.managerStopped(report)
    return report
  }

  #stoppable(entry: ManagedWorker): StoppableWorker {
    const { name, worker } = entry
    // One that is not ready runs nothing: an active run began before its start, and must not hold up the end of that.
    const run = entry.startState === 'ready' ? this.#runner.work.runOf(entry) : undefined
    return { name, worker, run, stop: (signal) => this.#starts.stop(entry, signal) }
  }

  /** Its first slot comes after its own `start`, if it has one. */
  #startWorker(entry: ManagedWorker): void {
    this.#starts.start(entry)
    if (isPeriodic(entry)) this.#slots.enterNext(entry)
  }

  #workerReady(entry: ManagedWorker): void {
    if (!entry.isAdded) return
    // One that is in the timetable already, for its namesake's run, may be due.
    if (isPeriodic(entry) && entry.dueAt === undefined) this.#slots.enterNext(entry)
    this.#parts.reports.started(entry.name)
    this.#runOnStart(entry)
  }

  #runOnStart(entry: ManagedWorker): void {
    const isWanted = isPeriodic(entry) && entry.definition.policy.runOnStart && entry.startState === 'ready'
    if (isWanted && this.#slots.isScheduled(entry)) this.#runner.runOnStart(entry)
  }

  /** One that was removed, and is added again, has its history back. */
  #noteFailures(entry: ManagedWorker): void {
    if (entry.hasHistory) this.#parts.health.noteFailures(entry.name, entry.history.consecutiveFailures)
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
      isOverdue: this.#slots.isOverdue(entry),
    })
  }

  #periodic(name: string, action: string): ManagedPeriodicWorker {
    const entry = this.#entries.get(name)
    if (!entry) throw new UnknownWorkerError(name)
    if (!isPeriodic(entry)) throw new NotPeriodicError(name, action)
    return entry
  }
}
