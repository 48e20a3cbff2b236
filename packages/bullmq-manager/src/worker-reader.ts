import type { HealthReason, InstanceInfo, RunRecord, WorkerStatus } from '@background-workers/abstractions'
import { type HealthMonitor, UnknownWorkerError, describeError } from '@background-workers/abstractions/for-managers'
import type { Connection } from './connection.ts'
import type { Instance } from './instances.ts'
import type { ManagedWorker } from './managed-worker.ts'
import type { Reconciler } from './reconciler.ts'
import type { RedisClock } from './redis-clock.ts'
import type { Store } from './store.ts'
import { type KnownWorker, type StoredWorkers, isKnown } from './stored-worker.ts'
import { describeLocal, describeStored } from './worker-status.ts'
import type { WorkerWatch } from './worker-watch.ts'

/** What the calls that only look need of their session. */
export interface WorkerReaderParts {
  readonly connection: Connection
  readonly clock: RedisClock
  readonly store: Store
  readonly reconciler: Reconciler
  readonly watch: WorkerWatch
  readonly health: HealthMonitor
  /** The workers that were added here. */
  readonly entries: ReadonlyMap<string, ManagedWorker>
}

/** All workers in Redis, and the instances that live. */
type Seen = readonly [stored: StoredWorkers, live: readonly Instance[]]

/** What the calls that only look read in Redis. Each rejects with `StoreUnavailableError` when that can not be reached. */
export class WorkerReader {
  readonly #parts: WorkerReaderParts
  /** What is about to be read for all calls of this moment. */
  #reading: Promise<Seen> | undefined

  constructor(parts: WorkerReaderParts) {
    this.#parts = parts
  }

  /** All workers of the application, and those without a schedule that were added here. */
  async list(): Promise<WorkerStatus[]> {
    const { connection, entries } = this.#parts
    const [{ workers }, live] = await connection.send('list', () => this.#readAll())
    const known = [...workers.values()].filter(isKnown).sort(byDeclaration)
    const names = new Set(known.map(({ name }) => name))
    const local = [...entries.values()].filter(({ definition }) => !names.has(definition.name))
    return [...known.map((worker) => this.#describe(worker, live)), ...local.map(describeLocal)]
  }

  /** Nothing when Redis has no such worker. */
  async get(name: string): Promise<WorkerStatus | undefined> {
    const { connection, store, reconciler } = this.#parts
    const [stored, live] = await connection.send('get', () => Promise.all([store.read(name), reconciler.look()]))
    return isKnown(stored) ? this.#describe(stored, live) : undefined
  }

  /**
   * Newest first.
   *
   * @throws UnknownWorkerError
   */
  runs(name: string, limit: number | undefined): Promise<RunRecord[]> {
    const { connection, store } = this.#parts
    return connection.send('runs', async () => {
      if (!isKnown(await store.read(name))) throw new UnknownWorkerError(name)
      return store.records(name, limit)
    })
  }

  /** What is wrong now. Never rejects: while Redis can not be read, what was known before. */
  async reasons(): Promise<readonly HealthReason[]> {
    const { connection, reconciler, watch, health } = this.#parts
    // A probe must not wait for a Redis that is known to be away.
    if (!connection.isThere) return health.reasons
    try {
      const [{ workers }, live] = await connection.send('health', () => this.#readAll())
      return watch.reasons({ stored: workers, live, isSettlingIn: reconciler.isSettlingIn })
    } catch (error) {
      if (health.has('store-lost')) return health.reasons
      return [...health.reasons, { code: 'store-lost', message: describeError(error).message }]
    }
  }

  /** The live instances, as the last heartbeat saw them. */
  instances(): InstanceInfo[] {
    return this.#parts.reconciler.live.map(({ instanceId, release, queues, lastSeenAt }) => ({
      instanceId,
      release,
      queues,
      lastSeenAt: new Date(lastSeenAt),
    }))
  }

  /** Reads once for all calls of one moment, and after all of them: what was called before is seen. */
  #readAll(): Promise<Seen> {
    this.#reading ??= Promise.resolve().then(() => {
      this.#reading = undefined
      return Promise.all([this.#parts.store.readAll(), this.#parts.reconciler.look()])
    })
    return this.#reading
  }

  #describe(stored: KnownWorker, live: readonly Instance[]): WorkerStatus {
    const { clock, entries, watch } = this.#parts
    const { queue } = stored.definition.policy
    return describeStored(stored, {
      now: clock.now(),
      entry: entries.get(stored.name),
      hasHandler: live.some(({ queues }) => queues.includes(queue)),
      isForeign: watch.isForeign(stored.name),
    })
  }
}

function byDeclaration({ definition: one }: KnownWorker, { definition: other }: KnownWorker): number {
  return one.since - other.since || one.order - other.order
}
