import { RunCancelledError, type RunRecord, StoreUnavailableError } from '@background-workers/abstractions'
import {
  type EventHub,
  type GuardedLogger,
  type HealthMonitor,
  type RunHost,
  type StarterHost,
  type WorkerReports,
  waitFor,
} from '@background-workers/abstractions/for-managers'
import { systemClock } from '@background-workers/abstractions'
import { type Job, Queue, Worker, type WorkerOptions } from 'bullmq'
import { Connection, withoutCommand } from './connection.ts'
import { Instances } from './instances.ts'
import { Keys, TICK_QUEUE, runQueueName } from './keys.ts'
import type { ManagedPeriodicWorker, ManagedWorker } from './managed-worker.ts'
import type { FilledOptions } from './options.ts'
import { BEAT_MS, Reconciler } from './reconciler.ts'
import { RedisClock } from './redis-clock.ts'
import { RunProcessor } from './run-processor.ts'
import { RunQueues } from './run-queues.ts'
import { TickSchedulers, repeatStrategy } from './schedulers.ts'
import { type CancelRequest, DATA_VERSION, Store } from './store.ts'
import { processTick, tickId } from './tick-processor.ts'

/** How long a run's lock holds without being renewed. */
const LEASE_MS = 20_000
/** A tick takes milliseconds and does no harm when it comes twice, so one that was lost comes back soon. */
const TICK_LEASE_MS = 10_000
const STALLED_CHECK_MS = 5_000
/** A request to cancel is kept for so long. */
const CANCEL_KEPT_MS = 60_000
/** BullMQ's own log of a queue; nothing reads it. */
const EVENTS_KEPT = 1_000
const CLOSE_MS = 2_000
/** A heartbeat that takes longer is slow, or Redis is silent. */
const SLOW_BEAT_MS = 2_500
/** How long to wait after a heartbeat that Redis refused. */
const BEAT_AGAIN_MS = 2_000
/** How soon to look again while another instance writes; what it writes may be all that is needed here. */
const LOCKED_MS = 50
const MIN_REDIS_VERSION = [6, 2] as const

/** What a session needs of its manager, and tells it. */
export interface SessionParts {
  readonly options: FilledOptions
  readonly instanceId: string
  readonly logger: GuardedLogger
  readonly events: EventHub
  readonly health: HealthMonitor
  readonly entries: ReadonlyMap<string, ManagedWorker>
  readonly runHost: Omit<RunHost, 'runFinished' | 'runSettled'>
  readonly starterHost: StarterHost
  readonly readyWorker: (name: string) => ManagedPeriodicWorker | undefined
  readonly dropWorker: (name: string) => void
  readonly runFinished: (record: RunRecord) => void
  readonly runSettled: (record: RunRecord) => void
  readonly reports: WorkerReports
}

/** A protected method of BullMQ's worker, whose version is pinned. */
interface WaitingWorker {
  whenCurrentJobsFinished(reconnect: boolean): Promise<void>
}

/** Tells of each job when BullMQ is done with it, also of one that was gone when it was given back: no event tells that. */
class RunWorker extends Worker {
  jobDone: (job: Job) => void = () => {}

  override async processJob(...args: Parameters<Worker['processJob']>): ReturnType<Worker['processJob']> {
    try {
      return await super.processJob(...args)
    } finally {
      this.jobDone(args[0])
    }
  }
}

/** Everything that is open between a start and a stop: the connection, BullMQ's queues and workers, and the heartbeat. */
export class Session {
  readonly connection: Connection
  readonly keys: Keys
  readonly clock = new RedisClock()
  readonly store: Store
  readonly schedulers: TickSchedulers
  readonly reconciler: Reconciler
  readonly runQueues: RunQueues
  readonly runProcessor: RunProcessor
  readonly #parts: SessionParts
  readonly #instances: Instances
  readonly #tickQueue: Queue
  /** That of the ticks, and one for each run queue. */
  readonly #workers: Worker[] = []
  readonly #lastRenewedAt = new Map<string, number>()
  readonly #reported = new Set<string>()
  #beatTimer: NodeJS.Timeout | undefined
  #leaseTimer: NodeJS.Timeout | undefined
  #beating: Promise<void> | undefined
  #isClosing = false

  constructor(parts: SessionParts) {
    this.#parts = parts
    const { options, logger, events, health, instanceId } = parts
    this.keys = new Keys(options.applicationName)
    this.connection = new Connection({ ...options, logger, events, health })
    const { client } = this.connection
    this.#instances = new Instances(client, this.keys, instanceId)
    this.store = new Store(client, this.keys, (field) => this.#reportMalformed(field))
    this.#tickQueue = this.#createTickQueue()
    this.schedulers = new TickSchedulers(client, this.keys, this.#tickQueue)
    this.runQueues = new RunQueues({ client, keys: this.keys, onError: (error) => this.#noteError(error) })
    this.reconciler = new Reconciler({
      ...parts,
      client,
      keys: this.keys,
      clock: this.clock,
      store: this.store,
      schedulers: this.schedulers,
      instances: this.#instances,
      decideOverdue: (worker, dueAt) => {
        if (this.#workers.length > 0 && !this.#isClosing)
          this.#processTick(tickId(worker, dueAt)).catch((error) => this.#noteError(error))
      },
      workerPaused: (name) => this.runProcessor.endRetries(name),
    })
    this.runProcessor = new RunProcessor({
      clock: this.clock,
      store: this.store,
      runQueues: this.runQueues,
      instanceId,
      logger,
      host: parts.runHost,
      readyWorker: parts.readyWorker,
      isDeclared: (worker, queue) => this.reconciler.isDeclaredElsewhere(worker, queue),
      isQueueTaken: (queue) => this.reconciler.live.some(({ queues }) => queues.includes(queue)),
      isStarting: (name) => parts.entries.get(name)?.starter.isStarting ?? false,
      runStarted: (record) => {
        this.#lastRenewedAt.set(record.runId, performance.now())
        events.emit('run-started', record)
      },
      runFinished: parts.runFinished,
      failuresCounted: (worker, failures) => health.noteFailures(worker, failures),
      runSettled: (record) => {
        this.#lastRenewedAt.delete(record.runId)
        parts.runSettled(record)
      },
      slotSkipped: (record) => parts.reports.slotSkipped(record),
      runHandedBack: (worker, runId) => this.#runHandedBack(worker, runId),
    })
  }

  /**
   * Waits for Redis, checks it, and brings the schedules in step with the code. Ticks and runs are taken from `take` on.
   *
   * @throws StartTimeoutError, StoreUnavailableError
   */
  async open(timeoutMs: number): Promise<void> {
    const endsAt = performance.now() + timeoutMs
    const remainingMs = () => Math.max(1, Math.round(endsAt - performance.now()))
    await this.connection.waitUntilReady(timeoutMs)
    await this.connection.inTime('start', remainingMs(), () => this.#checkRedis())
    await this.connection.inTime('start', remainingMs(), () => this.reconciler.start())
    if (!this.reconciler.isSettled) await this.connection.inTime('start', remainingMs(), () => this.declare())
    this.connection.noteAnswer()
    this.connection.client.on('ready', this.#onReady)
    this.#armBeat()
  }

  /** Only now, so that overdue ticks are not replaced while they are fetched. */
  take(): void {
    const { options, instanceId } = this.#parts
    if (!options.isEnabled || options.queues.length === 0) return
    const shared: WorkerOptions = {
      connection: this.connection.client as never,
      prefix: this.keys.prefix,
      // No skipVersionCheck: without the version BullMQ rounds its waits up to whole seconds.
      name: instanceId,
      stalledInterval: STALLED_CHECK_MS,
      runRetryDelay: 1_000,
    }
    const ticks = this.connection.lend(
      () =>
        new Worker(
          TICK_QUEUE,
          // Three plain parameters, or BullMQ passes no signal.
          (job: Job, _token?: string, _signal?: AbortSignal) => this.#processTick(job.id),
          { ...shared, concurrency: 50, lockDuration: TICK_LEASE_MS, settings: { repeatStrategy } },
        ),
    )
    this.#workers.push(ticks)
    for (const queue of options.queues) {
      const worker = this.connection.lend(
        () =>
          new RunWorker(
            runQueueName(queue),
            (job: Job, token?: string, _signal?: AbortSignal) => this.runProcessor.process(queue, job, token),
            { ...shared, concurrency: options.concurrency, lockDuration: LEASE_MS, maxStalledCount: 1 },
          ),
      )
      worker.on('lockRenewalFailed', (jobIds) => this.runProcessor.loseLeases(jobIds))
      worker.on('locksRenewed', ({ jobIds }) => this.#noteRenewed(jobIds))
      worker.on('failed', (job) => this.#noteStalledTooOften(job))
      worker.jobDone = (job) => this.runProcessor.noteJobDone(job)
      this.#workers.push(worker)
    }
    for (const worker of this.#workers) worker.on('error', (error) => this.#noteError(error))
    this.#leaseTimer = setInterval(() => this.#watchLeases(), LEASE_MS / 4)
  }

  /** Writes what was just changed here. Rejects when Redis refuses it. */
  async declare(): Promise<void> {
    do {
      // A beat that is under way may have looked before the change.
      await this.#beating
      await this.reconciler.beat()
    } while (!this.reconciler.isSettled && !this.#isClosing && (await wait(LOCKED_MS)))
  }

  /** Takes no new tick and no new run; resolves when the ticks are processed, and what was being decided is. */
  async drain(): Promise<void> {
    this.#isClosing = true
    clearTimeout(this.#beatTimer)
    const pauses = this.#workers.map((worker) => worker.pause(true))
    await Promise.all([...pauses, this.#jobsTakenBack(this.#workers.slice(0, 1)), this.runProcessor.drain()])
  }

  /** Closes everything that was opened, whether Redis is there or not. Never rejects. */
  async close(): Promise<void> {
    this.#isClosing = true
    clearTimeout(this.#beatTimer)
    clearInterval(this.#leaseTimer)
    this.connection.client.off('ready', this.#onReady)
    this.runProcessor.close()
    if (this.#beating) await this.#inTime(this.#beating)
    // A run that was abandoned is not waited for.
    if (this.runProcessor.activeRuns().length === 0) await this.#inTime(this.#jobsTakenBack(this.#workers))
    // `close(true)` must be the first close call of a worker: a plain one hangs while Redis is away, and this one then too.
    await this.#inTime(Promise.allSettled(this.#workers.map((worker) => worker.close(true))))
    if (this.connection.isReady && this.#parts.options.isEnabled) await this.#inTime(this.reconciler.leave())
    await this.#inTime(Promise.allSettled([this.#tickQueue.close(), this.runQueues.close()]))
    this.connection.close()
  }

  /**
   * Resolves when BullMQ has taken back every job that these workers were given. A job that is cut off is taken up only
   * when its lock has run out: until then its slot, or its guard, is lost.
   */
  async #jobsTakenBack(workers: readonly Worker[]): Promise<void> {
    if (!this.connection.isReady) return
    // `pause()` without `true` waits for the same, and then connects anew.
    await Promise.allSettled(
      workers.map((worker) => (worker as unknown as WaitingWorker).whenCurrentJobsFinished(false)),
    )
  }

  async #inTime(work: Promise<unknown>): Promise<void> {
    work.catch((error) => this.#noteError(error))
    await waitFor(work, CLOSE_MS, systemClock)
  }

  async #checkRedis(): Promise<void> {
    const { client } = this.connection
    const { logger } = this.#parts
    const info = await client.info()
    const version = /redis_version:(\d+)\.(\d+)/.exec(info)
    const [major, minor] = [Number(version?.[1]), Number(version?.[2])]
    if (major < MIN_REDIS_VERSION[0] || (major === MIN_REDIS_VERSION[0] && minor < MIN_REDIS_VERSION[1])) {
      throw new StoreUnavailableError(
        `start: Redis ${major}.${minor} is too old. Use Redis ${MIN_REDIS_VERSION.join('.')} or newer, or Valkey.`,
      )
    }
    const policy = /maxmemory_policy:(\S+)/.exec(info)?.[1]
    if (policy !== undefined && policy !== 'noeviction') {
      logger.warn(
        { policy },
        'Redis may evict keys: set maxmemory-policy to noeviction, or schedules and records can vanish',
      )
    }
    const tickMeta = `${this.keys.prefix}:${TICK_QUEUE}:meta`
    const dataVersion = await client.hget(this.keys.meta, 'data-version')
    if (this.#parts.options.isEnabled && (await client.hget(tickMeta, 'opts.maxLenEvents')) === null) {
      await client.hset(tickMeta, 'opts.maxLenEvents', EVENTS_KEPT)
    }
    if (dataVersion === null) {
      if (this.#parts.options.isEnabled) await client.hset(this.keys.meta, 'data-version', DATA_VERSION)
    } else if (Number(dataVersion) !== DATA_VERSION) {
      throw new StoreUnavailableError(
        `start: the data of application "${this.#parts.options.applicationName}" in Redis has version ${dataVersion}, and this release reads ${DATA_VERSION}. Deploy the newer release, or use another applicationName.`,
      )
    }
  }

  #createTickQueue(): Queue {
    const queue = new Queue(TICK_QUEUE, {
      connection: this.connection.client as never,
      prefix: this.keys.prefix,
      skipVersionCheck: true,
      // Else each start writes them; see #checkRedis.
      skipMetasUpdate: true,
      settings: { repeatStrategy },
    } as ConstructorParameters<typeof Queue>[1])
    queue.on('error', (error) => this.#noteError(error))
    return queue
  }

  async #processTick(id: string | undefined): Promise<void> {
    try {
      await processTick(id, {
        clock: this.clock,
        store: this.store,
        runQueues: this.runQueues,
        instanceId: this.#parts.instanceId,
        activeElsewhere: (worker) => this.runProcessor.activeElsewhere(worker),
        slotSkipped: (record) => this.#parts.reports.slotSkipped(record),
      })
    } catch (error) {
      // BullMQ tries again, and says nothing of it.
      this.#noteError(error)
      throw error
    }
  }

  readonly #onReady = () => {
    this.reconciler.noteStale()
    void this.#beat()
  }

  #armBeat(): void {
    clearTimeout(this.#beatTimer)
    if (this.#isClosing) return
    const delayMs = this.connection.isRefusing ? BEAT_AGAIN_MS : BEAT_MS
    this.#beatTimer = setTimeout(() => void this.#beat().finally(() => this.#armBeat()), delayMs)
  }

  /** Never rejects. */
  #beat(): Promise<void> {
    this.#beating ??= this.#beatOnce().finally(() => {
      this.#beating = undefined
    })
    return this.#beating
  }

  async #beatOnce(): Promise<void> {
    if (this.#isClosing || !this.connection.isReady) return
    const silenceTimer = setTimeout(() => void this.connection.checkSilence(), SLOW_BEAT_MS)
    try {
      const { cancels } = await this.reconciler.beat()
      this.connection.noteAnswer()
      await this.#cancelAll(cancels)
    } catch (error) {
      // What Redis itself says; anything else is an error of ours, or a connection that has closed.
      if (error instanceof Error && error.name === 'ReplyError') this.connection.noteRefusal(error)
      else this.#noteError(error)
    } finally {
      clearTimeout(silenceTimer)
    }
  }

  /** Cancels what runs here. A request that nobody has taken up for a while is about a run that has ended. */
  async #cancelAll(requests: ReadonlyMap<string, CancelRequest>): Promise<void> {
    for (const [runId, { by, at }] of requests) {
      const run = this.runProcessor.activeRun(runId)
      run?.abort(new RunCancelledError(run.record.worker, runId, by))
      if (run || this.clock.now() - at > CANCEL_KEPT_MS) await this.store.clearCancel(runId)
    }
  }

  #noteRenewed(runIds: readonly string[]): void {
    for (const runId of runIds) if (this.#lastRenewedAt.has(runId)) this.#lastRenewedAt.set(runId, performance.now())
    // The runs here may have been cancelled elsewhere; between two beats this is the occasion to look.
    const cancelling = this.store.readCancels().then((requests) => this.#cancelAll(requests))
    cancelling.catch((error) => this.#noteError(error))
  }

  /** While Redis can not be reached no renewal fails, yet the lease runs out. */
  #watchLeases(): void {
    const now = performance.now()
    const lost = [...this.#lastRenewedAt].filter(([, renewedAt]) => now - renewedAt > LEASE_MS).map(([runId]) => runId)
    this.runProcessor.loseLeases(lost)
  }

  #noteStalledTooOften(job: Job | undefined): void {
    if (job?.id === undefined || job.failedReason !== 'job stalled more than allowable limit') return
    void this.runProcessor.recordLost(job).catch((error) => this.#noteError(error))
  }

  #runHandedBack(worker: string, runId: string): void {
    const { health, logger } = this.#parts
    const message = `A run of worker "${worker}" came here, where it was not added. Add it on every instance that takes its queue, or give it a queue of its own.`
    if (health.add({ worker, code: 'no-handler', message })) logger.warn({ worker, runId }, message)
  }

  /** BullMQ can emit over a thousand errors a second: each kind is logged once until Redis was away and is back. */
  #noteError(error: unknown): void {
    this.connection.noteError(error)
    if (!this.connection.isReady || this.#isClosing) return
    const text = error instanceof Error ? error.message.replace(/\d+|job \S+/g, '…') : String(error)
    if (this.#reported.has(text) || this.#reported.size >= 100) return
    this.#reported.add(text)
    this.#parts.logger.error({ err: withoutCommand(error) }, 'BullMQ reports an error (logged once)')
  }

  #reportMalformed(field: string): void {
    const key = `malformed ${field}`
    if (this.#reported.has(key) || this.#reported.size >= 100) return
    this.#reported.add(key)
    this.#parts.logger.warn({ field: field.slice(0, 200) }, 'what Redis holds can not be read, it is ignored')
  }
}

async function wait(ms: number): Promise<true> {
  await new Promise((resolve) => setTimeout(resolve, ms))
  return true
}
