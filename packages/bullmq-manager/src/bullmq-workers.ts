import { type Job, Worker, type WorkerOptions } from 'bullmq'
import { BlockingClients } from './blocking-clients.ts'
import type { Connection } from './connection.ts'
import type { FetchedJob } from './hand-back.ts'
import { type Keys, TICK_QUEUE, runQueueName } from './keys.ts'
import { LEASE_MS } from './leases.ts'
import type { FilledOptions } from './options.ts'
import { repeatStrategy } from './schedulers.ts'

/** A tick takes milliseconds and does no harm when it comes twice, so one that was lost comes back soon. */
const TICK_LEASE_MS = 10_000

/**
 * As many as runs by default. Half as many leave Node and Redis waiting for each other: a saturated process then carries out a tenth
 * less. With more, of a thousand slots in one millisecond half start later, for runs wait until their ticks are through.
 */
const TICKS_AT_ONCE = 50

/**
 * A run whose process died is known to be lost when a look finds it without its lease. Instances share the looks: two of them are
 * up to twice this apart, so a run is found 28 s after its process died at the latest (a lease of 20 s, and 8 s), and is recorded
 * as lost by whoever takes it up, or 1 s later while it waits for a place.
 */
const STALLED_CHECK_MS = 4_000

/** What BullMQ's workers need of their session, and tell it. */
export interface BullMqWorkersParts {
  readonly options: FilledOptions
  readonly instanceId: string
  readonly connection: Connection
  readonly keys: Keys
  readonly processTick: (fetched: FetchedJob) => Promise<void>
  readonly processRun: (queue: string, fetched: FetchedJob) => Promise<void>
  readonly leasesLost: (runIds: readonly string[]) => void
  readonly leasesRenewed: (runIds: readonly string[]) => void
  /** A look has found a run without its lease: its job waits to be taken up again. */
  readonly stalled: (queue: string, runId: string) => void
  /** BullMQ has given up on a run whose process died again and again. */
  readonly stalledTooOften: (job: Job) => void
  /** BullMQ is done with the job of a run. */
  readonly jobDone: (job: Job) => void
  readonly onError: (error: unknown) => void
}

/** BullMQ's own workers: one for the ticks, and one for each run queue that this instance takes. */
export class BullMqWorkers {
  readonly #parts: BullMqWorkersParts
  readonly #blockingClients: BlockingClients
  #ticks: Worker | undefined
  readonly #runs: RunWorker[] = []

  constructor(parts: BullMqWorkersParts) {
    this.#parts = parts
    this.#blockingClients = new BlockingClients(parts.connection.client)
  }

  /** Whether ticks and runs are taken. */
  get isTaking(): boolean {
    return this.#ticks !== undefined
  }

  /** Takes ticks and runs from now on. */
  take(): void {
    const { options, instanceId, connection, keys, onError } = this.#parts
    const shared: WorkerOptions = {
      connection: connection.client as never,
      prefix: keys.prefix,
      // No skipVersionCheck: without the version BullMQ rounds its waits up to whole seconds.
      name: instanceId,
      stalledInterval: STALLED_CHECK_MS,
      runRetryDelay: 1_000,
    }
    this.#ticks = this.#createTickWorker(shared)
    for (const queue of options.queues) this.#runs.push(this.#createRunWorker(queue, shared))
    for (const worker of this.#all) worker.on('error', onError)
  }

  /** Takes nothing new; resolves when the ticks that were taken are processed. */
  async drain(): Promise<void> {
    const pauses = this.#all.map((worker) => worker.pause(true))
    await Promise.all([...pauses, this.#takenBack(this.#ticks ? [this.#ticks] : [])])
  }

  /** Resolves when BullMQ has taken back every job. */
  jobsTakenBack(): Promise<void> {
    return this.#takenBack(this.#all)
  }

  /** `close(true)` must be the first close call of a worker: a plain one hangs while Redis is away, and this one then too. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#all.map((worker) => worker.close(true)))
  }

  /** Leaves no connection behind. */
  disconnect(): void {
    this.#blockingClients.end()
  }

  /**
   * Resolves when BullMQ has taken back every job that these workers were given. A job that is cut off is taken up only
   * when its lock has run out: until then its slot, or its guard, is lost.
   */
  async #takenBack(workers: readonly Worker[]): Promise<void> {
    if (!this.#parts.connection.isReady) return
    // `pause()` without `true` waits for the same, and then connects anew.
    await Promise.allSettled(workers.map((worker) => insideOf(worker).whenCurrentJobsFinished(false)))
  }

  get #all(): Worker[] {
    return this.#ticks ? [this.#ticks, ...this.#runs] : []
  }

  #createTickWorker(shared: WorkerOptions): Worker {
    // With a third parameter, here and below, BullMQ would make an AbortController for each job; our runs have one of their own.
    const process = (job: Job, token?: string) => this.#parts.processTick({ job, token })
    const settings = { repeatStrategy }
    return this.#blockingClients.lend(
      () =>
        new Worker(TICK_QUEUE, process, {
          ...shared,
          concurrency: TICKS_AT_ONCE,
          lockDuration: TICK_LEASE_MS,
          removeOnFail: { count: 100 },
          settings,
        }),
    )
  }

  #createRunWorker(queue: string, shared: WorkerOptions): RunWorker {
    const { options, leasesLost, leasesRenewed, stalled, stalledTooOften, jobDone } = this.#parts
    const process = (job: Job, token?: string) => this.#parts.processRun(queue, { job, token })
    const { concurrency } = options
    const worker = this.#blockingClients.lend(
      () =>
        new RunWorker(runQueueName(queue), process, {
          ...shared,
          concurrency,
          lockDuration: LEASE_MS,
          removeOnFail: { count: 1_000 },
          maxStalledCount: 1,
        }),
    )
    worker.on('lockRenewalFailed', leasesLost)
    worker.on('locksRenewed', ({ jobIds }) => leasesRenewed(jobIds))
    worker.on('stalled', (runId) => stalled(queue, runId))
    worker.on('failed', (job) => {
      if (job?.failedReason === 'job stalled more than allowable limit') stalledTooOften(job)
    })
    worker.jobDone = jobDone
    return worker
  }
}

/** A lock as BullMQ keeps it: when it was last renewed, by `Date.now`. */
interface HeldLock {
  ts: number
}

/**
 * The locks that BullMQ renews. Every 5 s it takes those that it renewed over 5 s ago: none while a clock that was set back catches up.
 * Here all are that old, so all are renewed.
 */
class HeldLocks extends Map<string, HeldLock> {
  override set(jobId: string, lock: HeldLock): this {
    lock.ts = Number.NEGATIVE_INFINITY
    return super.set(jobId, lock)
  }
}

/** Tells of each job when BullMQ is done with it, also of one that was gone when it was given back: no event tells that. */
class RunWorker extends Worker {
  jobDone: (job: Job) => void = () => {}

  protected override createLockManager(): void {
    super.createLockManager()
    insideOf(this).lockManager.trackedJobs = new HeldLocks()
  }

  override async processJob(
    job: Job,
    token: string,
    mayFetchNext: () => boolean = () => true,
  ): ReturnType<Worker['processJob']> {
    // Nothing waited a moment ago: what has come since has left a marker that wakes BullMQ. To look here too costs 6 commands a run.
    const fetchesNext = () => mayFetchNext() && !insideOf(this).drained
    try {
      return await super.processJob(job, token, fetchesNext)
    } finally {
      this.jobDone(job)
    }
  }
}

/** What BullMQ's worker keeps to itself. Its version is pinned. */
interface WorkerInside {
  /** Whether there was no job when it last looked for one. */
  readonly drained: boolean
  readonly lockManager: { trackedJobs: Map<string, HeldLock> }
  whenCurrentJobsFinished(reconnect: boolean): Promise<void>
}

function insideOf(worker: Worker): WorkerInside {
  return worker as unknown as WorkerInside
}
