import { StoreUnavailableError } from '@background-workers/abstractions'
import { Mutex } from 'redis-semaphore'

/** What a mutex of redis-semaphore needs of a client. */
export type MutexClient = ConstructorParameters<typeof Mutex>[0]

/** What a mutex is made of; times in ms. */
export interface WorkerMutexParts {
  readonly client: MutexClient
  readonly key: string
  readonly identifier: string
  readonly lockTimeoutMs: number
  readonly refreshIntervalMs: number
  /** The lock is lost; called at most once, and not after `release`. */
  readonly lost: (cause: unknown) => void
}

/** The local clock and that of Redis may run differently fast, and work takes a moment to end. */
const MARGIN = 0.1

/**
 * The mutex of redis-semaphore, which takes, renews and gives back the lock, and besides:
 *
 * - its key is ours as it is (the library puts `mutex:` before it);
 * - a renewal that fails is no unhandled rejection, and no loss yet: the next one may succeed;
 * - the lease is judged here too, by a clock that never steps and from the moment at which a command was sent: when it
 *   could not be renewed in time the lock is lost, before another can have it.
 */
export class WorkerMutex extends Mutex {
  readonly #leaseMs: number
  readonly #lost: (cause: unknown) => void
  #state: 'free' | 'held' | 'lost' | 'released' = 'free'
  #leaseEndsAt = 0
  #lastError: unknown
  #leaseTimer: NodeJS.Timeout | undefined

  constructor({ client, key, identifier, lockTimeoutMs, refreshIntervalMs, lost }: WorkerMutexParts) {
    super(client, key, {
      identifier,
      lockTimeout: lockTimeoutMs,
      refreshInterval: refreshIntervalMs,
      // It waits after its last attempt too.
      acquireAttemptsLimit: 1,
      retryInterval: 1,
      onLockLost: (error) => this.#lose(error),
    })
    this._key = key
    this.#leaseMs = lockTimeoutMs * (1 - MARGIN)
    this.#lost = lost
  }

  /** Gives `false` when the lock is held by another. */
  async take(): Promise<boolean> {
    const isTaken = await this.tryAcquire()
    if (!isTaken) return false
    if (performance.now() >= this.#leaseEndsAt) {
      this.stopRefresh()
      throw new StoreUnavailableError('The lock was granted when its lease was over.')
    }
    this.#state = 'held'
    this.#watchLease()
    return true
  }

  /** Ends the lease; gives the key back if it is still ours. */
  override async release(): Promise<void> {
    this.#end('released')
    await this._release()
  }

  /** No renewal any more: the lock is lost now, and expires by itself. */
  abandon(cause: unknown): void {
    this.#lose(cause)
  }

  /** No renewal any more: the lock is lost when its lease is over. */
  letExpire(cause: unknown): void {
    this.stopRefresh()
    this.#lastError = cause
  }

  protected override async _acquire(): Promise<boolean> {
    const sentAt = performance.now()
    const isAcquired = await super._acquire()
    this.#leaseEndsAt = sentAt + this.#leaseMs
    return isAcquired
  }

  protected override async _refresh(): Promise<boolean> {
    const sentAt = performance.now()
    try {
      const isOurs = await super._refresh()
      if (isOurs) this.#leaseEndsAt = Math.max(this.#leaseEndsAt, sentAt + this.#leaseMs)
      return isOurs
    } catch (error) {
      this.#lastError = error
      return true
    }
  }

  #watchLease(): void {
    const remainingMs = this.#leaseEndsAt - performance.now()
    if (remainingMs <= 0) {
      this.#lose(this.#lastError)
      return
    }
    this.#leaseTimer = setTimeout(() => this.#watchLease(), Math.ceil(remainingMs)).unref()
  }

  #lose(cause: unknown): void {
    if (this.#state !== 'held') return
    this.#end('lost')
    this.#lost(cause)
  }

  #end(state: 'lost' | 'released'): void {
    this.#state = state
    this.stopRefresh()
    clearTimeout(this.#leaseTimer)
  }
}
