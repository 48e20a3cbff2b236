import type { FinishedRunRecord, RunRecord } from '@background-workers/abstractions'
import {
  ABORT_GRACE_MS,
  type EventHub,
  type HealthMonitor,
  LoopWatch,
  type RunHost,
  type SafeLogger,
  type WorkerReports,
  systemClock,
  waitFor,
} from '@background-workers/abstractions/for-managers'
import { BullMqWorkers } from './bullmq-workers.ts'
import { CancelRequests } from './cancel-requests.ts'
import { checkRedis } from './check-redis.ts'
import { Connection } from './connection.ts'
import { DecidedMarks } from './decided-marks.ts'
import { ErrorLog } from './error-log.ts'
import { type FetchedJob, putOff } from './hand-back.ts'
import { Heartbeat } from './heartbeat.ts'
import { Instances } from './instances.ts'
import { Keys } from './keys.ts'
import { LEASE_MS, Leases } from './leases.ts'
import { LostRuns } from './lost-runs.ts'
import type { ManagedWorker } from './managed-worker.ts'
import type { FilledOptions } from './options.ts'
import { Reconciler } from './reconciler.ts'
import { RedisClock } from './redis-clock.ts'
import { RunPlanner } from './run-planner.ts'
import { RunProcessor } from './run-processor.ts'
import { RunQueues } from './run-queues.ts'
import { TickSchedulers } from './schedulers.ts'
import { requestStartRuns } from './start-runs.ts'
import { Store } from './store.ts'
import { processTick, tickId } from './tick-processor.ts'
import { UnstartedRuns } from './unstarted-runs.ts'
import { WorkerControl } from './worker-control.ts'
import { WorkerReader } from './worker-reader.ts'
import { WorkerWatch } from './worker-watch.ts'

/** How long closing may take at most, however far the deadline is. */
const CLOSE_MS = 5_000

/** How long closing may take though the deadline has passed, where Redis answered when it was last asked. */
const CLOSE_ANSWERED_MS = 1_000

/** How long a run whose process died may wait for a place before it is recorded as lost all the same. */
const TAKEN_UP_MS = 1_000

/** A tick that has failed is processed again so much later, */
const TICK_RETRY_MS = 1_000

/** and so often in all; then its slot is overdue. */
const TICK_ATTEMPTS = 5

/** What a session needs of its manager, and tells it. */
export interface SessionParts {
  readonly options: FilledOptions
  readonly instanceId: string
  readonly logger: SafeLogger
  readonly events: EventHub
  readonly health: HealthMonitor
  readonly reports: WorkerReports
  /** The workers that were added here. */
  readonly entries: ReadonlyMap<string, ManagedWorker>
  /** The names of those that were removed here while no session was open; a name goes when Redis has no such worker any more. */
  readonly removed: Set<string>
  readonly runHost: Omit<RunHost, 'clock' | 'runFinished' | 'runSettled'>
  /** The run of this worker that goes on here since an earlier session, if one does. */
  readonly abandonedRun: (worker: string) => string | undefined
  /** A worker was removed on another instance. */
  readonly dropWorker: (name: string) => void
}

/** Everything that is open between a start and a stop: the connection, BullMQ's queues and workers, and the heartbeat. */
export class Session {
  readonly connection: Connection
  readonly clock = new RedisClock()
  readonly store: Store
  readonly reconciler: Reconciler
  readonly runProcessor: RunProcessor
  readonly control: WorkerControl
  readonly reader: WorkerReader
  readonly #parts: SessionParts
  readonly #keys: Keys
  readonly #errorLog: ErrorLog
  readonly #schedulers: TickSchedulers
  readonly #runQueues: RunQueues
  readonly #decidedMarks: DecidedMarks
  readonly #lostRuns: LostRuns
  readonly #unstartedRuns: UnstartedRuns
  readonly #leases: Leases
  readonly #workers: BullMqWorkers
  readonly #heartbeat: Heartbeat
  readonly #loopWatch: LoopWatch
  readonly #ticking = new Map<string, Promise<void>>()
  #isClosing = false
  #isAnswering: Promise<boolean> | undefined

  constructor(parts: SessionParts) {
    this.#parts = parts
    const { options, logger, events, health, reports } = parts
    const onError = (error: unknown) => this.#noteError(error)
    const runFinished = (record: FinishedRunRecord) => events.emit('run-finished', record)
    const slotSkipped = (record: FinishedRunRecord) => reports.slotSkipped(record)
    const failuresCounted = (record: RunRecord, failures: number) => watch.noteRun(record, failures)

    this.#errorLog = new ErrorLog(logger)
    this.#keys = new Keys(options.applicationName)
    this.connection = new Connection({ ...options, logger, events, health })
    const { client } = this.connection
    const withRedis = { ...parts, connection: this.connection, client, keys: this.#keys, clock: this.clock, onError }

    this.store = new Store(client, this.#keys, (field) => this.#errorLog.malformed(field))
    this.#decidedMarks = new DecidedMarks(this.store, onError)
    this.#schedulers = new TickSchedulers(client, this.#keys, onError)
    this.#runQueues = new RunQueues(withRedis)
    const withStore = { ...withRedis, store: this.store, schedulers: this.#schedulers, runQueues: this.#runQueues }

    const watch = new WorkerWatch({
      ...withStore,
      decideOverdue: (worker, dueAt) => this.#decideOverdue(worker, dueAt),
    })
    const instances = new Instances(client, this.#keys, parts.instanceId)
    const workerPaused = (name: string, since: Date) => this.runProcessor.endRetries(name, since)
    this.reconciler = new Reconciler({ ...withStore, instances, watch, workerPaused })

    const takenQueues = () => this.reconciler.live.flatMap(({ queues }) => queues)
    this.#unstartedRuns = new UnstartedRuns({ ...withStore, takenQueues, runFinished, slotSkipped })
    const withUnstarted = { ...withStore, unstartedRuns: this.#unstartedRuns }
    const isQueueTaken = (queue: string) => takenQueues().includes(queue)
    this.#lostRuns = new LostRuns({ ...withUnstarted, isQueueTaken, runFinished, failuresCounted })
    const withRuns = { ...withUnstarted, lostRuns: this.#lostRuns }
    const heldRun = (runId: string) => this.runProcessor.heldRun(runId)
    const cancelRequests = new CancelRequests({ ...withUnstarted, heldRun })
    const planner = new RunPlanner({
      ...withRuns,
      cancelRequests,
      unsettledRun: (worker) => this.runProcessor.unsettledRun(worker),
      isDeclaredElsewhere: (worker, queue) => this.reconciler.isDeclaredElsewhere(worker, queue),
      known: (worker) => this.reconciler.known(worker),
      runHandedBack: (worker, runId) => watch.noteHandBack(worker, runId),
    })
    this.#leases = new Leases((runIds) => this.runProcessor.loseLeases(runIds))
    this.runProcessor = new RunProcessor({
      ...withStore,
      // Slots are due by Redis time, so runs are dated, and repeated, by it too.
      runHost: { ...parts.runHost, clock: { ...systemClock, now: () => this.clock.nowAfterSleep() } },
      planner,
      giveUp: (job, why) => this.#lostRuns.giveUp(job, why),
      decidedMarks: this.#decidedMarks,
      leases: this.#leases,
      runStarted: (record) => {
        events.emit('run-started', record)
        cancelRequests.noteStarted(record.runId)
      },
      runFinished,
      failuresCounted,
      runSettled: ({ worker }) => reports.runSettled(worker),
    })

    this.#heartbeat = new Heartbeat({ ...withRedis, reconciler: this.reconciler, cancelRequests })
    this.#loopWatch = new LoopWatch({
      limitMs: LEASE_MS / 2,
      logger,
      health,
      // A Redis that is away holds a heartbeat up, and a restart is no cure for that.
      isProgressing: () => !this.connection.isThere || this.#heartbeat.isComingRound,
    })
    this.#workers = new BullMqWorkers({
      ...withRedis,
      processTick: (fetched) => this.#processTick(fetched.job.id, fetched),
      processRun: (queue, fetched) => this.runProcessor.process(queue, fetched),
      leasesLost: (runIds) => this.runProcessor.loseLeases(runIds),
      leasesRenewed: (runIds) => {
        this.#leases.renewed(runIds)
        // The runs here may have been cancelled elsewhere; between two beats this is the occasion to look.
        cancelRequests.look().catch(onError)
      },
      stalled: (queue, runId) => void this.#noteStalled(queue, runId).catch(onError),
      stalledTooOften: (job) => void this.#lostRuns.giveUp(job, { reason: 'crash' }).catch(onError),
      jobDone: (job) => this.runProcessor.noteJobDone(job),
    })
    const calls = { ...withRuns, reconciler: this.reconciler, runProcessor: this.runProcessor, cancelRequests, watch }
    this.control = new WorkerControl(calls)
    this.reader = new WorkerReader(calls)
  }

  /**
   * Waits for Redis, checks it, and brings the schedules in step with the code. Ticks and runs are taken from `take` on.
   *
   * @throws StartTimeoutError, StoreUnavailableError
   */
  async open(timeoutMs: number): Promise<void> {
    const { options, logger } = this.#parts
    const { client } = this.connection
    const endsAt = performance.now() + timeoutMs
    const inTime = (work: () => Promise<void>) =>
      this.connection.inTime('start', Math.max(1, Math.round(endsAt - performance.now())), work)
    await this.connection.waitUntilReady(timeoutMs)
    await inTime(async () => {
      await Promise.all([checkRedis({ client, keys: this.#keys, options, logger }), this.clock.measure(client)])
    })
    await inTime(() => this.#removeRemoved())
    await inTime(async () => {
      await Promise.all([this.reconciler.start(), options.isEnabled && this.#schedulers.limitLog()])
    })
    if (!this.reconciler.isSettled) await inTime(() => this.#heartbeat.declare(timeoutMs))
    this.connection.noteAnswer()
    this.#heartbeat.start()
    if (options.isEnabled) this.#loopWatch.start()
  }

  /** Only now, so that overdue ticks are not replaced while they are fetched. */
  take(): void {
    const { options } = this.#parts
    if (!options.isEnabled || options.queues.length === 0) return
    this.#workers.take()
    this.#leases.watch()
  }

  /** Writes what was just changed here. Rejects when Redis refuses it. */
  declare(): Promise<void> {
    return this.#heartbeat.declare(this.#parts.options.commandTimeoutMs)
  }

  /** Asks for the runs of these workers that have `runOnStart`. Never rejects. */
  requestStartRuns(entries: Iterable<ManagedWorker>): Promise<void> {
    const { connection, clock, store } = this
    const [runQueues, unstartedRuns] = [this.#runQueues, this.#unstartedRuns]
    return requestStartRuns(entries, { ...this.#parts, connection, clock, store, runQueues, unstartedRuns })
  }

  /** Takes no new tick and no new run; resolves when the ticks are processed and say so, and what was being decided is. */
  async drain(): Promise<void> {
    this.#isClosing = true
    this.askRedis()
    this.#heartbeat.stop()
    await Promise.all([this.#workers.drain(), this.runProcessor.drain()])
    await this.#decidedMarks.written
  }

  /** Finds out whether Redis answers within 1 s: `close` waits for it after the deadline only then. */
  askRedis(): void {
    this.#isAnswering = this.connection.answers(ABORT_GRACE_MS)
  }

  /**
   * Closes everything that was opened. What is not closed at the deadline (by `performance.now()`), or after 5 s, is cut; where
   * Redis has answered when it was last asked, 1 s from now at the soonest. Never rejects.
   */
  async close(deadline: number): Promise<void> {
    this.#isClosing = true
    this.#heartbeat.stop()
    this.#loopWatch.stop()
    this.#leases.close()
    const leastMs = (await this.#isAnswering) ? CLOSE_ANSWERED_MS : 0
    const now = performance.now()
    const endsAt = Math.min(now + CLOSE_MS, Math.max(now + leastMs, deadline))
    const leftEndsAt = this.connection.isReady ? Math.min(endsAt, now + CLOSE_ANSWERED_MS) : 0
    await this.#until(leftEndsAt, this.runProcessor.endLeftToCaller())
    this.runProcessor.close()
    // A run that was abandoned is not waited for.
    const jobsTakenBack = this.runProcessor.activeRuns().length === 0 ? this.#workers.jobsTakenBack() : undefined
    await this.#until(endsAt, Promise.all([this.#heartbeat.underWay, jobsTakenBack]))
    await this.#until(endsAt, this.#workers.close())
    // Where Redis is away nobody waits for it; of the caller's client it follows what is still to be sent.
    if (this.#parts.options.isEnabled) await this.#until(this.connection.isReady ? endsAt : 0, this.reconciler.leave())
    await this.#until(endsAt, Promise.allSettled([this.#schedulers.close(), this.#runQueues.close()]))
    this.#workers.disconnect()
    this.connection.close()
  }

  /** Waits for a step of closing. What is late goes on by itself while the next is begun: none is left out. */
  async #until(endsAt: number, step: Promise<unknown>): Promise<void> {
    step.catch((error) => this.#noteError(error))
    await waitFor(step, Math.max(0, endsAt - performance.now()), systemClock)
  }

  /** Before anything is declared: what has been added again since is a new worker. */
  async #removeRemoved(): Promise<void> {
    const { removed } = this.#parts
    for (const name of removed) {
      await this.control.remove(name)
      removed.delete(name)
    }
  }

  async #processTick(id: string | undefined, fetched?: FetchedJob): Promise<void> {
    try {
      await processTick(id, {
        client: this.connection.client,
        clock: this.clock,
        store: this.store,
        runQueues: this.#runQueues,
        decidedMarks: this.#decidedMarks,
        instanceId: this.#parts.instanceId,
        ticking: this.#ticking,
        activeElsewhere: (worker) => this.#lostRuns.activeElsewhere(worker, worker.definition.policy.queue),
        slotSkipped: (record) => this.#parts.reports.slotSkipped(record),
      })
    } catch (error) {
      this.#noteError(error)
      if (fetched && fetched.job.attemptsStarted < TICK_ATTEMPTS) return putOff(fetched, TICK_RETRY_MS)
      throw error
    }
  }

  /** Most are taken up at once, and so recorded as lost. */
  async #noteStalled(queue: string, runId: string): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, TAKEN_UP_MS).unref())
    if (!this.#isClosing) await this.#lostRuns.noteWaiting(queue, runId)
  }

  #decideOverdue(worker: string, dueAt: number): void {
    // What fails has been noted.
    if (this.#workers.isTaking && !this.#isClosing) this.#processTick(tickId(worker, dueAt)).catch(() => {})
  }

  #noteError(error: unknown): void {
    this.connection.noteError(error)
    if (this.connection.isThere && !this.#isClosing) this.#errorLog.error(error)
  }
}
