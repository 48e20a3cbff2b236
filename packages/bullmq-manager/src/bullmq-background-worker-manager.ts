import { randomUUID } from 'node:crypto'
import {
  type ByOption,
  DuplicateWorkerError,
  type HealthReason,
  type HealthReport,
  type IBackgroundWorker,
  type IBackgroundWorkerManager,
  type ManagerEventName,
  type ManagerEvents,
  type ManagerState,
  ManagerStoppedError,
  NotPeriodicError,
  type PauseOptions,
  RunCancelledError,
  type RunRecord,
  type RunsOptions,
  type Schedule,
  type StopOptions,
  type StopReport,
  UnknownWorkerError,
  WorkerBusyError,
  WorkerNotReadyError,
  type WorkerStatus,
  systemClock,
} from '@background-workers/abstractions'
import {
  EventHub,
  type GuardedLogger,
  HealthMonitor,
  Lifecycle,
  Run,
  type RunHost,
  type StarterHost,
  type StoppableWorker,
  WorkerReports,
  WorkerStarter,
  WorkerStops,
  checkBy,
  checkName,
  checkPauseOptions,
  checkRunId,
  checkRunsOptions,
  checkSchedule,
  checkStopOptions,
  defineWorker,
  describeError,
  giveLogger,
  guardLogger,
  hasOwnStart,
  healthStatus,
  isSameSchedule,
  waitFor,
} from '@background-workers/abstractions/for-managers'
import type { Instance } from './instances.ts'
import { type ManagedPeriodicWorker, type ManagedWorker, isPeriodic } from './managed-worker.ts'
import { type BullMqManagerOptions, type FilledOptions, fillOptions } from './options.ts'
import { Session } from './session.ts'
import { startWindowMs } from './start-window.ts'
import type { StoredDefinition, StoredWorker } from './stored-worker.ts'
import { describeLocal, describeStored, isOverdue } from './worker-status.ts'

/** The smallest period, in ms: BullMQ wakes 0 to 100 ms late. */
const MIN_PERIOD_MS = 1_000

/** What a stop may take besides its deadline, before it closes a connection that does not answer. */
const DECIDING_MS = 1_000

type StoredPeriodicWorker = StoredWorker & { readonly definition: StoredDefinition }

/**
 * Turns periodic workers into BullMQ repeatable jobs on Redis: schedules, overrides, pauses and records survive
 * restarts, and each slot runs once in the whole cluster. Plain workers run in this process.
 */
export class BullMqBackgroundWorkerManager implements IBackgroundWorkerManager {
  readonly #instanceId = randomUUID()
  readonly #options: FilledOptions
  readonly #logger: GuardedLogger
  readonly #events: EventHub
  readonly #health: HealthMonitor
  readonly #reports: WorkerReports
  readonly #stops = new WorkerStops(systemClock)
  readonly #lifecycle = new Lifecycle()
  readonly #entries = new Map<string, ManagedWorker>()
  readonly #starterHost: StarterHost
  readonly #runHost: Omit<RunHost, 'runFinished' | 'runSettled'>
  readonly #createWorkerLogger = (worker: string) => this.#logger.child({ worker })
  #session: Session | undefined

  /** @throws InvalidOptionsError */
  constructor(options: BullMqManagerOptions) {
    this.#options = fillOptions(options)
    this.#logger = guardLogger(this.#options.logger)
    this.#events = new EventHub(this.#logger)
    this.#health = new HealthMonitor(this.#events)
    this.#reports = new WorkerReports(this.#logger, this.#events, this.#health)
    this.#starterHost = {
      clock: systemClock,
      startTimeoutMs: this.#options.startTimeoutMs,
      workerReady: (worker, name) => this.#workerReady(worker, name),
      workerStartFailed: (_worker, error, name) => this.#reports.startFailed(name, error),
      workerStopFailed: (_worker, error, name) => this.#reports.stopFailed(name, error),
    }
    this.#runHost = {
      clock: systemClock,
      instanceId: this.#instanceId,
      scopeFactory: this.#options.scopeFactory,
      loggerOf: this.#createWorkerLogger,
      runRetrying: (run, attempt, error, retryAtMs) => this.#reports.runRetrying(run, attempt, error, retryAtMs),
      runStuck: (run) => this.#runStuck(run),
    }
  }

  get state(): ManagerState {
    return this.#lifecycle.state
  }

  start(): Promise<void> {
    return this.#lifecycle.start(() => this.#start())
  }

  async stop(options: StopOptions = {}): Promise<StopReport> {
    checkStopOptions(options)
    // A run that waits for this stop must not be waited for. (It may be a run of another manager.)
    this.#callingRun()?.leaveToCaller()
    return this.#lifecycle.stop(() => this.#stop(options.timeoutMs ?? this.#options.stopTimeoutMs))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async add(worker: IBackgroundWorker): Promise<void> {
    const definition = defineWorker(worker, { minPeriodMs: MIN_PERIOD_MS, defaultPolicy: this.#options.defaultPolicy })
    const { name } = definition
    if (this.#entries.has(name)) throw new DuplicateWorkerError(name)
    const starter = new WorkerStarter(worker, this.#starterHost, name)
    const session = this.#isWorking ? this.#session : undefined
    const entry: ManagedWorker = { worker, definition, starter, declaredAt: session?.clock.now() }
    this.#entries.set(name, entry)
    giveLogger(worker, this.#createWorkerLogger)
    if (session) {
      session.reconciler.noteNamesChanged()
      try {
        if (isPeriodic(entry)) await session.connection.send('add', () => session.declare())
      } catch (error) {
        this.#entries.delete(name)
        session.reconciler.noteNamesChanged()
        throw error
      }
      starter.start()
      await this.#runOnStart(session, [entry])
      if (isPeriodic(entry) && session.reconciler.live.length > 1) {
        this.#logger.info(
          { worker: name },
          'worker added at run time: other instances hand its runs back unless it is added there too',
        )
      }
    }
    this.#events.emit('worker-added', { worker: name })
  }

  async remove(name: string, options: ByOption = {}): Promise<boolean> {
    checkName('remove', name)
    checkBy('remove', options)
    const entry = this.#entries.get(name)
    if (!this.#session) {
      if (!entry) return false
      this.#entries.delete(name)
      this.#reports.removed(name, options)
      return true
    }
    const session = this.#session
    const wasStored = await session.connection.send('remove', async () => {
      await session.runProcessor.forgetWaiting(await session.store.read(name))
      const removed = await session.store.remove(name, session.clock.now())
      if (removed) await session.schedulers.remove(name)
      return removed
    })
    if (!wasStored && !entry) return false
    if (entry) this.#dropWorker(name)
    this.#reports.removed(name, options)
    return true
  }

  async trigger(name: string, options: ByOption = {}): Promise<string> {
    checkName('trigger', name)
    checkBy('trigger', options)
    const { session, stored } = await this.#periodic(name, 'trigger')
    const entry = this.#entries.get(name)
    const isOnlyHere = session.reconciler.live.length <= 1
    if (entry && this.#options.isEnabled && isOnlyHere && !entry.starter.isReady) throw new WorkerNotReadyError(name)
    const runId = `${name}.m-${randomUUID()}`
    const blockedBy = await session.connection.send(
      'trigger',
      async () =>
        (await session.runProcessor.activeElsewhere(stored)) ??
        session.runQueues.add(stored.definition.policy.queue, {
          runId,
          worker: name,
          kind: 'manual',
          slot: session.clock.now(),
          missedSlots: 0,
          delayMs: 0,
          ...(options.by !== undefined && { by: options.by }),
        }),
    )
    if (blockedBy !== undefined) throw new WorkerBusyError(name, blockedBy)
    return runId
  }

  async cancel(runId: string, options: ByOption = {}): Promise<boolean> {
    checkRunId('cancel', runId)
    checkBy('cancel', options)
    const session = this.#session
    if (!session) return false
    const name = runId.slice(0, Math.max(0, runId.lastIndexOf('.')))
    const local = session.runProcessor.activeRun(runId)
    if (local) return local.abort(new RunCancelledError(name, runId, options.by))
    return session.connection.send('cancel', async () => {
      const stored = await session.store.read(name)
      if (stored.active?.record.runId === runId) {
        if (stored.active.isFinished) return false
        await session.store.requestCancel(runId, options.by, session.clock.now())
        return true
      }
      return stored.definition ? session.runProcessor.cancelWaiting(runId, stored, options.by) : false
    })
  }

  async pause(name: string, options: PauseOptions = {}): Promise<void> {
    checkName('pause', name)
    checkPauseOptions(options)
    const { session, stored } = await this.#periodic(name, 'pause')
    await session.connection.send('pause', async () => {
      await session.store.setPause(name, { ...options, since: stored.paused?.since ?? new Date(session.clock.now()) })
      await session.runProcessor.endWaiting(stored as StoredPeriodicWorker)
    })
    session.runProcessor.endRetries(name)
    this.#reports.paused(name, options)
  }

  async resume(name: string, options: ByOption = {}): Promise<void> {
    checkName('resume', name)
    checkBy('resume', options)
    const { session, stored } = await this.#periodic(name, 'resume')
    if (!stored.paused) return
    await session.connection.send('resume', () => session.store.clearPause(name, session.clock.now()))
    this.#reports.resumed(name, options)
  }

  async reschedule(name: string, schedule: Schedule | undefined, options: ByOption = {}): Promise<void> {
    checkName('reschedule', name)
    checkBy('reschedule', options)
    const { session, stored } = await this.#periodic(name, 'reschedule')
    const checked = schedule === undefined ? undefined : checkSchedule(schedule, `Worker "${name}"`, MIN_PERIOD_MS)
    const { definition, override } = stored
    const before = override?.schedule ?? definition.schedule
    const after = checked ?? definition.schedule
    const now = session.clock.now()
    await session.connection.send('reschedule', async () => {
      const isChanged = !isSameSchedule(before, after)
      await session.store.setOverride(
        name,
        checked && { schedule: checked, ...options, since: new Date(now) },
        isChanged ? now : undefined,
      )
      if (isChanged) await session.schedulers.write(name, after, false)
    })
    this.#reports.rescheduled(name, after, options)
  }

  async list(): Promise<WorkerStatus[]> {
    const session = this.#session
    if (!session) return [...this.#entries.values()].map(describeLocal)
    const [stored, live] = await session.connection.send('list', () =>
      Promise.all([session.store.readAll(), session.reconciler.look()]),
    )
    const periodic = [...stored.values()].filter(({ definition, removedAt }) => definition && removedAt === undefined)
    periodic.sort(byDeclaration)
    const known = new Set(periodic.map(({ name }) => name))
    const local = [...this.#entries.values()].filter(({ definition }) => !known.has(definition.name))
    return [...periodic.map((worker) => this.#describe(session, worker, live)), ...local.map(describeLocal)]
  }

  async get(name: string): Promise<WorkerStatus | undefined> {
    checkName('get', name)
    const session = this.#session
    const entry = this.#entries.get(name)
    if (!session) return entry && describeLocal(entry)
    const [stored, live] = await session.connection.send('get', () =>
      Promise.all([session.store.read(name), session.reconciler.look()]),
    )
    if (stored.definition && stored.removedAt === undefined) return this.#describe(session, stored, live)
    return entry && describeLocal(entry)
  }

  async runs(name: string, options: RunsOptions = {}): Promise<RunRecord[]> {
    checkName('runs', name)
    checkRunsOptions(options)
    const session = this.#session
    const entry = this.#entries.get(name)
    if (!session || entry?.definition.kind === 'plain') {
      if (!entry) throw new UnknownWorkerError(name)
      return []
    }
    return session.connection.send('runs', async () => {
      const { definition, removedAt } = await session.store.read(name)
      if (!definition || removedAt !== undefined) throw new UnknownWorkerError(name)
      return session.store.records(name, options.limit)
    })
  }

  async health(): Promise<HealthReport> {
    const session = this.#session
    if (!session) return { status: healthStatus(this.#reasons()), reasons: this.#reasons() }
    const overdue = await this.#overdueReasons(session)
    const reasons = [...this.#reasons(), ...overdue]
    const instances = session.reconciler.live.map(({ instanceId, release, queues, lastSeenAt }) => ({
      instanceId,
      release,
      queues,
      lastSeenAt: new Date(lastSeenAt),
    }))
    return { status: healthStatus(reasons), reasons, instances }
  }

  on<Name extends ManagerEventName>(event: Name, listener: (payload: ManagerEvents[Name]) => unknown): () => void {
    return this.#events.on(event, listener)
  }

  /** What is known without asking. */
  #reasons(): HealthReason[] {
    const { state } = this
    const notRunning: HealthReason = { code: 'not-running', message: `The manager is ${state}.` }
    return [...(state === 'running' ? [] : [notRunning]), ...this.#health.reasons]
  }

  async #overdueReasons(session: Session): Promise<HealthReason[]> {
    // A probe must not wait for a Redis that is known to be away.
    if (!session.connection.isThere) return []
    try {
      const stored = await session.connection.send('health', () => session.store.readAll())
      if (session.reconciler.isSettlingIn) return []
      const now = session.clock.now()
      return [...stored.values()].flatMap((worker): HealthReason[] => {
        const { name } = worker
        if (!isOverdue(worker, now) || this.#health.has('overdue', name)) return []
        return [{ worker: name, code: 'overdue', message: `Worker "${name}" has a slot that nobody has decided.` }]
      })
    } catch (error) {
      if (this.#health.has('store-lost')) return []
      return [{ code: 'store-lost', message: describeError(error).message }]
    }
  }

  /** Whether workers are started and runs taken. */
  get #isWorking(): boolean {
    return this.#options.isEnabled && (this.state === 'running' || this.state === 'starting')
  }

  async #start(): Promise<void> {
    const session = new Session({
      options: this.#options,
      instanceId: this.#instanceId,
      logger: this.#logger,
      events: this.#events,
      health: this.#health,
      entries: this.#entries,
      runHost: this.#runHost,
      starterHost: this.#starterHost,
      readyWorker: (name) => this.#readyWorker(name),
      dropWorker: (name) => {
        this.#dropWorker(name)
        this.#reports.removed(name, {})
      },
      runFinished: (record) => this.#events.emit('run-finished', record),
      runSettled: ({ worker }) => this.#reports.runSettled(worker),
      reports: this.#reports,
    })
    try {
      await session.open(this.#options.startTimeoutMs)
    } catch (error) {
      await session.close()
      throw error
    }
    this.#session = session
    if (!this.#options.isEnabled) {
      this.#logger.info({}, 'background workers are disabled here (isEnabled: false)')
      return
    }
    for (const entry of this.#entries.values()) entry.starter.start()
    session.take()
    await this.#runOnStart(session, [...this.#entries.values()])
    this.#logger.info(
      { workers: this.#entries.size, instanceId: this.#instanceId, release: this.#options.release },
      'background workers started',
    )
  }

  async #stop(timeoutMs: number): Promise<StopReport> {
    const session = this.#session
    if (!session) return { finished: 0, abandoned: [] }
    const startedAt = performance.now()
    const before = session.runProcessor.activeRuns()
    await waitFor(session.drain(), Math.min(timeoutMs, DECIDING_MS), systemClock)
    const caller = this.#callingRun()
    // What was being decided when the stop came has started, or has gone back.
    const runs = [...new Set([...before, ...session.runProcessor.activeRuns()])].filter((run) => run !== caller)
    const stopping = runs.map((run) => ({
      run,
      done: session.runProcessor.jobDone(run.record.runId, run.drained),
    }))
    const workers = [...this.#entries.values()].map((entry) => this.#stoppable(entry))
    const remainingMs = Math.max(0, Math.round(timeoutMs - (performance.now() - startedAt)))
    const left = await this.#stops.stopAll(stopping, workers, remainingMs)
    for (const { name } of workers) this.#health.clear('start-failed', name)
    this.#session = undefined
    await session.close()
    const settled = new Set(runs.filter((run) => run.isSettled).map(({ record }) => record.runId))
    // A run that has ended, but whose job Redis has not taken back, is not abandoned: its outcome is all that may be lost.
    const abandoned = left.filter(({ runId }) => runId === undefined || !settled.has(runId))
    const report = { finished: settled.size, abandoned }
    this.#reports.stopped(report)
    return report
  }

  /** Forgets a worker here: its run may finish, then its `stop` is called. */
  #dropWorker(name: string): void {
    const entry = this.#entries.get(name)
    if (!entry) return
    this.#entries.delete(name)
    this.#health.clearWorker(name)
    this.#session?.reconciler.noteNamesChanged()
    this.#stops.letGo(this.#stoppable(entry))
  }

  #stoppable({ definition: { name }, starter }: ManagedWorker): StoppableWorker {
    return { name, starter, run: this.#activeRunOf(name) }
  }

  #activeRunOf(name: string): Run | undefined {
    return this.#session?.runProcessor.activeRuns().find(({ plan }) => plan.worker.name === name)
  }

  /** The run of this manager that the present call comes from. */
  #callingRun(): Run | undefined {
    const run = Run.current()
    return run && this.#session?.runProcessor.activeRun(run.plan.runId) === run ? run : undefined
  }

  #readyWorker(name: string): ManagedPeriodicWorker | undefined {
    const entry = this.#entries.get(name)
    return entry && isPeriodic(entry) && entry.starter.isReady ? entry : undefined
  }

  /** Never rejects: what can not be asked for now is no reason to run nothing at all. */
  async #runOnStart(session: Session, entries: readonly ManagedWorker[]): Promise<void> {
    for (const entry of entries) {
      if (!isPeriodic(entry) || !entry.definition.policy.runOnStart || !entry.starter.isReady) continue
      const { name } = entry.definition
      try {
        await session.connection.send('start', () => this.#requestStartRun(session, entry))
      } catch (err) {
        this.#logger.error({ err, worker: name }, 'runOnStart: the run could not be asked for')
      }
    }
  }

  /** Once per release in the cluster; without a release once in min(period, 10 min). The store has the last word. */
  async #requestStartRun(session: Session, { definition }: ManagedPeriodicWorker): Promise<void> {
    const { name, schedule, policy } = definition
    const { release } = this.#options
    const stored = await session.store.read(name)
    const now = session.clock.now()
    const startMark = release > 0 ? `release ${release}` : `at ${now}`
    if (!stored.definition || stored.paused || stored.startMark === startMark) return
    const windowMs = startWindowMs(schedule, name, now)
    const runId = `${name}.start-${release > 0 ? `r${release}` : Math.floor(now / windowMs) * windowMs}`
    const request = { runId, worker: name, kind: 'start', slot: now, missedSlots: 0, startMark } as const
    const blockedBy = await session.runQueues.add(policy.queue, { ...request, delayMs: 0 })
    if (blockedBy !== undefined) await session.runProcessor.skipStart(request, stored, blockedBy)
  }

  #workerReady(worker: IBackgroundWorker, name: string): void {
    const entry = this.#entries.get(name)
    if (!hasOwnStart(worker) || entry?.worker !== worker) return
    this.#reports.started(name)
    if (this.#session) void this.#runOnStart(this.#session, [entry])
  }

  #runStuck(run: Run): void {
    this.#reports.runStuck(run)
    const { runId, worker } = run.record
    const written = this.#session?.store.setStuck(worker, runId)
    written?.catch((err) => this.#logger.error({ err, worker }, 'that a worker is stuck could not be written'))
  }

  #describe(session: Session, stored: StoredWorker, live: readonly Instance[]): WorkerStatus {
    const queue = stored.definition?.policy.queue ?? 'default'
    return describeStored(stored, {
      now: session.clock.now(),
      entry: this.#entries.get(stored.name),
      hasHandler: live.some(({ queues }) => queues.includes(queue)),
    })
  }

  /** @throws ManagerStoppedError, UnknownWorkerError, NotPeriodicError, StoreUnavailableError */
  async #periodic(
    name: string,
    action: string,
  ): Promise<{ readonly session: Session; readonly stored: StoredPeriodicWorker }> {
    const entry = this.#entries.get(name)
    if (entry && !isPeriodic(entry)) throw new NotPeriodicError(name, action)
    const session = this.#session
    if (!session)
      throw new ManagerStoppedError(
        `${action}: the manager is ${this.state}, so its store is not open. Call start() first.`,
      )
    const stored = await session.connection.send(action, () => session.store.read(name))
    if (!stored.definition || stored.removedAt !== undefined) throw new UnknownWorkerError(name)
    return { session, stored: stored as StoredPeriodicWorker }
  }
}

function byDeclaration({ definition: one }: StoredWorker, { definition: other }: StoredWorker): number {
  if (!one || !other) return 0
  return one.since - other.since || one.order - other.order
}
