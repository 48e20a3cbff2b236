import type {
  ByOption,
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
  type Given,
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
  createManagerParts,
  healthReport,
  isPeriodic,
  stopReport,
  systemClock,
  waitFor,
} from '@background-workers/abstractions/for-managers'
import type { ManagedWorker } from './managed-worker.ts'
import { type BullMqManagerOptions, type FilledOptions, fillOptions } from './options.ts'
import { MIN_PERIOD_MS } from './schedulers.ts'
import { Session, type SessionParts } from './session.ts'
import type { WorkerControl } from './worker-control.ts'
import { describeLocal } from './worker-status.ts'

/** How long a stop waits for what is being decided, at most; that counts towards its deadline. */
const DECIDING_MS = 1_000

/**
 * Turns periodic workers into BullMQ repeatable jobs on Redis: schedules, overrides, pauses and records survive
 * restarts, and each slot runs once in the whole cluster. Plain workers run in this process.
 */
export class BullMqBackgroundWorkerManager implements IBackgroundWorkerManager {
  readonly #parts: ManagerParts<FilledOptions>
  readonly #starts: WorkerStarts<ManagedWorker>
  readonly #stops = new WorkerStops(systemClock)
  readonly #entries = new Map<string, ManagedWorker>()
  /** The names of workers whose add waits for a start. */
  readonly #arriving = new Set<string>()
  /** The names of workers that were removed while no session was open, and that the next one removes from Redis. */
  readonly #removed = new Set<string>()
  readonly #entryHost: EntryHost
  readonly #runHost: SessionParts['runHost']
  #session: Session | undefined
  /** The runs that went on when a stop was over: while they do, no other run of their workers starts here. */
  #left: readonly Run[] = []
  /** A start that is not open yet. */
  #opening: Promise<Session> | undefined

  /** @throws InvalidOptionsError */
  constructor(options: BullMqManagerOptions) {
    const parts = createManagerParts(fillOptions(options))
    const { instanceId, logger, reports } = parts
    this.#parts = parts
    this.#starts = new WorkerStarts({
      ...parts,
      clock: systemClock,
      stops: this.#stops,
      workerReady: (entry) => this.#workerReady(entry),
    })
    this.#entryHost = {
      minPeriodMs: MIN_PERIOD_MS,
      defaultPolicy: parts.options.defaultPolicy,
      createWorkerLogger: parts.createWorkerLogger,
      entries: { has: (name) => this.#entries.has(name) || this.#arriving.has(name) },
    }
    this.#runHost = {
      instanceId,
      scopeFactory: parts.options.scopeFactory,
      logger,
      runRetrying: (run, attempt, error, retryAtMs) => reports.runRetrying(run, attempt, error, retryAtMs),
      runStuck: (run) => this.#runStuck(run),
    }
  }

  get state(): ManagerState {
    return this.#parts.lifecycle.state
  }

  start(): Promise<void> {
    return this.#parts.lifecycle.start(() => this.#start())
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
    if (this.#opening) {
      this.#arriving.add(name)
      await this.#untilOpened()
      this.#arriving.delete(name)
    }
    const session = this.#parts.lifecycle.isWorking ? this.#session : undefined
    const entry: ManagedWorker = { worker, definition, startState: 'stopped', declaredAt: undefined }
    this.#entries.set(name, entry)
    if (session) {
      session.reconciler.noteNamesChanged()
      try {
        if (isPeriodic(entry)) await session.connection.send('add', () => session.declare())
      } catch (error) {
        // What a stop has cut off is declared by the next start.
        if (this.#session === session) {
          if (this.#entries.get(name) === entry) this.#entries.delete(name)
          session.reconciler.noteNamesChanged()
          throw error
        }
      }
    }
    // It may have been removed meanwhile.
    if (this.#entries.get(name) !== entry) return
    this.#parts.events.emit('worker-added', { worker: name })
    // The manager may have stopped, and started again with this worker; or a listener has removed it.
    const isSessionOver = this.#session !== session || !this.#parts.lifecycle.isWorking
    if (!session || isSessionOver || this.#entries.get(name) !== entry) return
    this.#starts.start(entry)
    await session.requestStartRuns([entry])
    if (isPeriodic(entry) && session.reconciler.live.length > 1) {
      this.#parts.logger.info(
        { worker: name },
        'worker added at run time: other instances hand its runs back unless it is added there too',
      )
    }
  }

  async remove(name: string, options: ByOption = {}): Promise<boolean> {
    const given = checkCall('remove', name, options)
    if (this.#opening) await this.#untilOpened()
    const entry = this.#entries.get(name)
    const session = this.#session
    const wasStored = session ? await session.control.remove(name) : false
    // A heartbeat or another call may have dropped it meanwhile, and told so.
    if (entry && this.#entries.get(name) !== entry) return wasStored
    if (!entry && !wasStored) return false
    if (entry) {
      this.#dropWorker(name)
      this.#session?.reconciler.noteNamesChanged()
      const isDeclared = isPeriodic(entry) && entry.declaredAt !== undefined
      if (isDeclared && !session) this.#removed.add(name)
    }
    this.#noteRemoved(name, given)
    return true
  }

  async trigger(name: string, options: ByOption = {}): Promise<string> {
    const given = checkCall('trigger', name, options)
    return this.#controlOf(name, 'trigger').trigger(name, given)
  }

  async cancel(runId: string, options: ByOption = {}): Promise<boolean> {
    checkCancel(runId, options)
    return this.#session ? this.#session.control.cancel(runId, options) : false
  }

  async pause(name: string, options: PauseOptions = {}): Promise<void> {
    const given = checkCall('pause', name, options)
    await this.#controlOf(name, 'pause').pause(name, given)
    this.#parts.reports.paused(name, given)
  }

  async resume(name: string, options: ByOption = {}): Promise<void> {
    const given = checkCall('resume', name, options)
    if (await this.#controlOf(name, 'resume').resume(name)) this.#parts.reports.resumed(name, given)
  }

  async reschedule(name: string, schedule: Schedule | undefined, options: ByOption = {}): Promise<void> {
    const given = checkCall('reschedule', name, options)
    const after = await this.#controlOf(name, 'reschedule').reschedule(name, schedule, given)
    this.#parts.reports.rescheduled(name, after, given)
  }

  async list(): Promise<WorkerStatus[]> {
    return this.#session ? this.#session.reader.list() : [...this.#entries.values()].map(describeLocal)
  }

  async get(name: string): Promise<WorkerStatus | undefined> {
    checkName('get', name)
    const entry = this.#entries.get(name)
    return (await this.#session?.reader.get(name)) ?? (entry && describeLocal(entry))
  }

  async runs(name: string, options: RunsOptions = {}): Promise<RunRecord[]> {
    const given = checkCall('runs', name, options)
    const entry = this.#entries.get(name)
    if (this.#session && entry?.definition.kind !== 'plain') return this.#session.reader.runs(name, given.limit)
    if (!entry) throw new UnknownWorkerError(name)
    return []
  }

  async health(): Promise<HealthReport> {
    const session = this.#session
    if (!session) return healthReport(this.state, this.#parts.health.reasons)
    const reasons = await session.reader.reasons()
    return healthReport(this.state, reasons, session.reader.instances())
  }

  on<Name extends ManagerEventName>(event: Name, listener: (payload: ManagerEvents[Name]) => unknown): () => void {
    return this.#parts.events.on(event, listener)
  }

  async #start(): Promise<void> {
    this.#opening = this.#open()
    try {
      this.#session = await this.#opening
    } finally {
      this.#opening = undefined
    }
    const session = this.#session
    if (!this.#parts.options.isEnabled) {
      this.#parts.reports.managerDisabled()
      return
    }
    for (const entry of this.#entries.values()) this.#starts.start(entry)
    const { health } = this.#parts
    for (const run of this.#unsettled) if (!health.has('stuck', run.plan.worker.name)) run.watchAgain()
    session.take()
    await session.requestStartRuns([...this.#entries.values()])
    const { release } = this.#parts.options
    this.#parts.reports.managerStarted({ workers: this.#entries.size, instanceId: this.#parts.instanceId, release })
  }

  /** Gives a session that is open. Leaves nothing open when it rejects. */
  async #open(): Promise<Session> {
    const session = new Session({
      ...this.#parts,
      entries: this.#entries,
      removed: this.#removed,
      runHost: this.#runHost,
      abandonedRun: (worker) => this.#unsettled.find(({ plan }) => plan.worker.name === worker)?.record.runId,
      dropWorker: (name) => {
        this.#dropWorker(name)
        this.#noteRemoved(name, {})
      },
    })
    const { startTimeoutMs } = this.#parts.options
    const deadline = performance.now() + startTimeoutMs
    try {
      await session.open(startTimeoutMs)
      return session
    } catch (error) {
      await session.close(deadline)
      throw error
    }
  }

  /** Resolves when no start is opening a session: one declares what it finds, and would not see what changes meanwhile. */
  async #untilOpened(): Promise<void> {
    while (this.#opening) await this.#opening.catch(() => {})
  }

  async #stop(timeoutMs: number): Promise<StopReport> {
    const session = this.#session
    if (!session) return { finished: 0, abandoned: [] }
    const deadline = performance.now() + timeoutMs
    const caller = Run.current()
    // None starts from here on: what is being decided goes back.
    const runs = [...this.#unsettled, ...session.runProcessor.activeRuns()].filter((run) => run !== caller)
    await waitFor(session.drain(), Math.min(timeoutMs, DECIDING_MS), systemClock)
    const stopping = runs.map((run) => ({
      run,
      done: session.runProcessor.jobDone(run.record.runId, run.drained),
    }))
    const workers = [...this.#entries.values()].map((entry) => this.#stoppable(entry))
    const remainingMs = Math.max(0, Math.round(deadline - performance.now()))
    const left = await this.#stops.stopAll(stopping, workers, { timeoutMs, remainingMs }, () => session.askRedis())
    for (const { name } of workers) this.#parts.health.clear('start-failed', name)
    this.#session = undefined
    await session.close(deadline)
    this.#left = [...this.#unsettled, ...session.runProcessor.activeRuns()]
    for (const run of this.#unsettled) run.abandon()
    const settled = new Set(runs.filter((run) => run.isSettled).map(({ record }) => record.runId))
    // A run that has ended, but whose job Redis has not taken back, is not abandoned: its outcome is all that may be lost.
    const abandoned = left.filter(({ runId }) => runId === undefined || !settled.has(runId))
    const report = stopReport(runs, abandoned)
    this.#parts.reports.managerStopped(report)
    return report
  }

  get #unsettled(): readonly Run[] {
    return this.#left.filter((run) => !run.isSettled)
  }

  /** Forgets a worker here: its run may finish, then its `stop` is called. */
  #dropWorker(name: string): void {
    const entry = this.#entries.get(name)
    if (!entry) return
    this.#entries.delete(name)
    this.#stops.letGo(this.#stoppable(entry))
  }

  /** Who is told of it may add the worker again. */
  #noteRemoved(name: string, given: Given<ByOption>): void {
    this.#parts.reports.removed(name, given)
    this.#parts.health.clearWorker(name)
  }

  #stoppable(entry: ManagedWorker): StoppableWorker {
    const { worker, definition } = entry
    const { name } = definition
    // One that is not ready runs nothing: an active run began before its start, and must not hold up the end of that.
    const run = entry.startState === 'ready' ? this.#activeRunOf(name) : undefined
    return { name, worker, run, stop: (signal) => this.#starts.stop(entry, signal) }
  }

  #activeRunOf(name: string): Run | undefined {
    const runs = [...this.#unsettled, ...(this.#session?.runProcessor.activeRuns() ?? [])]
    return runs.find(({ plan }) => plan.worker.name === name)
  }

  #workerReady(entry: ManagedWorker): void {
    const { name } = entry.definition
    if (this.#entries.get(name) !== entry) return
    this.#parts.reports.started(name)
    void this.#session?.requestStartRuns([entry])
  }

  #runStuck(run: Run): void {
    this.#parts.reports.runStuck(run)
    const { runId, worker } = run.record
    const written = this.#session?.store.setStuck(worker, runId)
    written?.catch((err) => this.#parts.logger.error({ err, worker }, 'that a worker is stuck could not be written'))
  }

  /**
   * What does a call in Redis, for a worker that may be added elsewhere.
   *
   * @throws NotPeriodicError, ManagerStoppedError
   */
  #controlOf(name: string, call: string): WorkerControl {
    const entry = this.#entries.get(name)
    if (entry && !isPeriodic(entry)) throw new NotPeriodicError(name, call)
    if (!this.#session)
      throw new ManagerStoppedError(
        `${call}: the manager is ${this.state}, so its store is not open. Call start() first.`,
      )
    return this.#session.control
  }
}
