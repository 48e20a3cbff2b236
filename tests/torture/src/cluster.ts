import { setTimeout as sleep } from 'node:timers/promises'
import type { RunRecord } from '@background-workers/abstractions'
import { BullMqBackgroundWorkerManager } from '@background-workers/bullmq-manager'
import { type RedisServer, freshApplicationName, startRedis } from 'test-redis'
import { Journal, monotonicMs } from './journal.ts'
import type { ManagerName } from './managers.ts'
import { Seat, type SeatParts } from './seat.ts'

/** What a `Cluster` is opened with. */
export interface ClusterOptions {
  readonly manager: ManagerName
  readonly seats: number
  /** Where the journals go. */
  readonly folder: string
  /** No process lives longer. */
  readonly lifetimeMs: number
  /** Options of Node for each process. */
  readonly nodeArgs?: readonly string[]
}

/** The release that a run begins with. */
const FIRST_RELEASE = 10

/** The processes, each with its own way to Redis, the Redis, and whoever looks at both from outside. */
export class Cluster implements AsyncDisposable {
  readonly manager: ManagerName
  readonly redis: RedisServer
  readonly journal: Journal
  readonly seats: readonly Seat[]
  release = FIRST_RELEASE
  /** Goes straight to Redis and runs nothing; none for a manager without a store. */
  readonly observer: BullMqBackgroundWorkerManager | undefined
  readonly #records = new Map<string, RunRecord>()
  readonly #endWatches: readonly (() => void)[]
  #redisTurn: Promise<void> = Promise.resolve()

  private constructor(
    options: ClusterOptions,
    redis: RedisServer,
    journal: Journal,
    seats: readonly Seat[],
    observer: BullMqBackgroundWorkerManager | undefined,
  ) {
    this.manager = options.manager
    this.redis = redis
    this.journal = journal
    this.seats = seats
    this.observer = observer
    this.#endWatches = [journal.watchStalls(), journal.watchLoad()]
  }

  /** Resolves when all processes have started. */
  static async open(options: ClusterOptions): Promise<Cluster> {
    const { manager, folder, lifetimeMs, nodeArgs = [] } = options
    // What it has answered survives a kill.
    const redis = await startRedis({ appendOnly: true })
    const applicationName = freshApplicationName()
    const anchorMs = Date.now() - monotonicMs()
    const journal = new Journal(folder, 0, anchorMs)
    let processes = 0
    const parts: SeatParts = {
      journal,
      settings: { manager, applicationName, folder, anchorMs },
      lifetimeMs,
      nodeArgs,
      nextProcess: () => ++processes,
    }
    const numbers = Array.from({ length: options.seats }, (_, number) => number)
    const seats = await Promise.all(numbers.map((number) => Seat.open(number, FIRST_RELEASE, redis.url, parts)))
    const observer =
      manager === 'bullmq'
        ? new BullMqBackgroundWorkerManager({ applicationName, connection: redis.url, isEnabled: false })
        : undefined
    const cluster = new Cluster(options, redis, journal, seats, observer)
    try {
      await Promise.all([...seats.map((seat) => seat.spawn()), observer?.start()])
    } catch (error) {
      await cluster[Symbol.asyncDispose]()
      throw error
    }
    return cluster
  }

  /** One after the other: what is done to Redis itself. */
  redisInTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#redisTurn.then(work)
    this.#redisTurn = done.catch(() => {})
    return done
  }

  /** Reads all records that are in the store now, and keeps them. */
  async collectRecords(): Promise<void> {
    const { observer } = this
    if (!observer) return
    for (const { name } of await patiently(() => observer.list())) {
      const records = await patiently(() => observer.runs(name))
      for (const record of records) this.#records.set(`${record.runId} ${record.outcome === 'lost'}`, record)
    }
  }

  /** What was collected. */
  get records(): readonly RunRecord[] {
    return [...this.#records.values()]
  }

  /** Stops every process gracefully, all at once. */
  async stop(): Promise<void> {
    for (const seat of this.seats) seat.close()
    await Promise.all(this.seats.map((seat) => seat.stop()))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const end of this.#endWatches) end()
    await Promise.all(this.seats.map((seat) => seat[Symbol.asyncDispose]()))
    await this.observer?.stop()
    await this.redis.cleanUp()
    this.journal.close()
  }
}

/** Asks again while Redis is away. */
export async function patiently<T>(work: () => Promise<T>): Promise<T> {
  for (const endsAt = performance.now() + 30_000; ; await sleep(100)) {
    try {
      return await work()
    } catch (error) {
      const mayTryAgain = (error as { code?: string }).code === 'store-unavailable' && performance.now() < endsAt
      if (!mayTryAgain) throw error
    }
  }
}
