import { randomUUID } from 'node:crypto'
import {
  type IDistributedLock,
  LeaseLostError,
  type LockHold,
  type LockRefusal,
  type LockRequest,
  StoreUnavailableError,
  systemClock,
} from '@background-workers/abstractions'
import { type SafeLogger, safeLogger, waitFor } from '@background-workers/abstractions/for-managers'
import { type FilledOptions, type RedisLockOptions, fillOptions } from './options.ts'
import { RedisConnection } from './redis-connection.ts'
import { SlotClaims } from './slot-claims.ts'
import { Turns } from './turns.ts'
import { type MutexClient, WorkerMutex } from './worker-mutex.ts'

/** How often a lock is tried to be taken that is free when one looks, and then is not. */
const ATTEMPTS = 3

/** A script and a write, as a claim is: a Redis that is full, read-only or without its replicas answers a PING all the same. */
const TRY_TO_WRITE = `redis.call('SET', KEYS[1], '', 'PX', 1)`

/**
 * The distributed lock on Redis. The lock of a worker is a key with a lease, kept by redis-semaphore and renewed while the
 * run goes on; the claim of a slot is another key. Dispose it after the managers that use it.
 */
export class RedisDistributedLock implements IDistributedLock, AsyncDisposable {
  readonly #options: FilledOptions
  readonly #logger: SafeLogger
  readonly #connection: RedisConnection
  readonly #client: MutexClient
  readonly #claims: SlotClaims
  /** Ends every identifier of this instance. */
  readonly #suffix = `#${randomUUID()}`
  /** The identifiers of attempts and holds. Another one with our suffix was left behind by an attempt whose answer was lost. */
  readonly #identifiers = new Set<string>()
  readonly #holds = new Set<RedisHold>()
  /** By worker: a call must know what became of the one before it, or it is refused on account of its own lock or claim. */
  readonly #turns = new Turns()
  #attempts = 0
  #disposed: Promise<void> | undefined

  /** Connects at the first call. @throws InvalidOptionsError */
  constructor(options: RedisLockOptions) {
    this.#options = fillOptions(options)
    this.#logger = safeLogger(this.#options.logger)
    this.#connection = new RedisConnection(this.#options.connection, this.#options.commandTimeoutMs)
    this.#client = mutexClient(this.#connection)
    this.#claims = new SlotClaims(this.#connection, this.#options.slotClaimTtlMs)
  }

  get leaseMs(): number {
    return this.#options.lockTimeoutMs
  }

  acquire(request: LockRequest): Promise<LockHold | LockRefusal> {
    return this.#turns.take(request.worker, () => this.#acquire(request))
  }

  async #acquire({ worker, runId, slot }: LockRequest): Promise<LockHold | LockRefusal> {
    if (this.#disposed) throw new StoreUnavailableError('The Redis lock is disposed, so it locks nothing.')
    const lockKey = this.#key(`lock:${worker}`)
    if (!slot) return this.#take(worker, runId, lockKey)
    const request = { slot, lockKey, claimKey: this.#key(`claim:${worker}:${slot.dueAt}`) }
    return this.#claims.withToken(worker, slot.dueAt, async (token) => {
      let answer = await this.#claims.claim(request, token)
      if (answer.kind === 'locked' && (await this.#removeLeftover(answer.holder, lockKey))) {
        answer = await this.#claims.claim(request, token)
      }
      if (answer.kind === 'claimed') return this.#take(worker, runId, lockKey)
      return { kind: 'refused', ...(answer.kind === 'locked' && { blockedBy: runIdOf(answer.holder) }) }
    })
  }

  /** @throws StoreUnavailableError */
  async ping(): Promise<void> {
    await this.#connection.send((client) => client.eval(TRY_TO_WRITE, 1, this.#key('ping')))
  }

  /**
   * Waits until the runs that hold a lock have settled, at most `disposeTimeoutMs`; the signals of the others are aborted
   * then, and their locks expire. It does not wait for a run that a manager's stop has not waited for either: the lock of that
   * is renewed no more from then on, and its signal is aborted when the lease is over. Closes the connection if it is not the
   * caller's. A second call shares the first one.
   */
  [Symbol.asyncDispose](): Promise<void> {
    this.#disposed ??= this.#dispose()
    return this.#disposed
  }

  async #dispose(): Promise<void> {
    await waitFor(this.#drained(), this.#options.disposeTimeoutMs, systemClock)
    for (const hold of this.#holds) hold.abandon(new Error('The Redis lock was disposed.'))
    this.#connection.close()
  }

  async #drained(): Promise<void> {
    await this.#turns.settled()
    await Promise.all([...this.#holds].map((hold) => hold.drained))
  }

  async #take(worker: string, runId: string, lockKey: string): Promise<LockHold | LockRefusal> {
    for (let attempt = 1; ; attempt++) {
      const hold = await this.#tryToTake(worker, runId, lockKey)
      if (hold) return hold
      const holder = await this.#connection.send((client) => client.get(lockKey))
      const isFree = holder === null || (await this.#removeLeftover(holder, lockKey))
      if (isFree && attempt < ATTEMPTS) continue
      return { kind: 'refused', ...(holder !== null && { blockedBy: runIdOf(holder) }) }
    }
  }

  async #tryToTake(worker: string, runId: string, lockKey: string): Promise<LockHold | undefined> {
    const identifier = `${runId}#${++this.#attempts}${this.#suffix}`
    const hold = new RedisHold(worker, runId, {
      createMutex: (lost) => this.#createMutex(identifier, lockKey, lost),
      release: () => this.#turns.take(worker, () => this.#release(worker, identifier, hold)),
    })
    this.#identifiers.add(identifier)
    try {
      if (await hold.take()) {
        this.#holds.add(hold)
        return hold
      }
      this.#identifiers.delete(identifier)
      return undefined
    } catch (error) {
      this.#identifiers.delete(identifier)
      // It may be ours without our knowing.
      hold.giveBack().catch(() => {})
      throw error
    }
  }

  #createMutex(identifier: string, key: string, lost: (cause: unknown) => void): WorkerMutex {
    const { lockTimeoutMs, refreshIntervalMs } = this.#options
    return new WorkerMutex({ client: this.#client, key, identifier, lockTimeoutMs, refreshIntervalMs, lost })
  }

  async #release(worker: string, identifier: string, hold: RedisHold): Promise<void> {
    try {
      await hold.giveBack()
    } catch (err) {
      this.#logger.warn({ err, worker }, 'a lock could not be released, it is held until it expires')
    }
    this.#identifiers.delete(identifier)
    this.#holds.delete(hold)
  }

  /** Gives `true` when the lock was one that an attempt of ours has left behind, and is gone now. */
  async #removeLeftover(holder: string, lockKey: string): Promise<boolean> {
    if (!holder.endsWith(this.#suffix) || this.#identifiers.has(holder)) return false
    await this.#createMutex(holder, lockKey, () => {}).release()
    return true
  }

  /** The braces keep an application in one slot of a Redis Cluster. */
  #key(name: string): string {
    return `{${this.#options.applicationName}}:${name}`
  }
}

interface RedisHoldHost {
  createMutex(lost: (cause: unknown) => void): WorkerMutex
  release(): Promise<void>
}

class RedisHold implements LockHold {
  readonly kind = 'held'
  readonly #host: RedisHoldHost
  readonly #mutex: WorkerMutex
  readonly #controller = new AbortController()
  readonly #drained = Promise.withResolvers<void>()
  #isLeft = false
  #release: Promise<void> | undefined

  constructor(worker: string, runId: string, host: RedisHoldHost) {
    this.#host = host
    this.#mutex = host.createMutex((cause) => this.#controller.abort(new LeaseLostError(worker, runId, { cause })))
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Resolves when a dispose need not wait any longer: `release` has been called and is done, or nobody waits for the run. */
  get drained(): Promise<void> {
    return this.#drained.promise
  }

  take(): Promise<boolean> {
    return this.#mutex.take()
  }

  giveBack(): Promise<void> {
    return this.#mutex.release()
  }

  /** The lock is renewed no more. A run that was waited for is told that it is lost; one that was left, when its lease is over. */
  abandon(cause: unknown): void {
    if (this.#isLeft) this.#mutex.letExpire(cause)
    else this.#mutex.abandon(cause)
  }

  leave(): void {
    this.#isLeft = true
    this.#drained.resolve()
  }

  release(): Promise<void> {
    this.#release ??= this.#host.release().then(this.#drained.resolve)
    return this.#release
  }
}

/** An identifier is `<run id>#<attempt>#<instance>`. */
function runIdOf(identifier: string): string {
  return identifier.split('#').slice(0, -2).join('#') || identifier
}

/** redis-semaphore takes a client; ours sends each command while Redis is there or not at all. */
function mutexClient(connection: RedisConnection): MutexClient {
  const commands = {
    get: (...args: [string]) => connection.send((client) => client.get(...args)),
    set: (...args: [string, string]) => connection.send((client) => client.set(...args)),
    eval: (...args: [string, number]) => connection.send((client) => client.eval(...args)),
    evalsha: (...args: [string, number]) => connection.send((client) => client.evalsha(...args)),
    zrem: (...args: [string, string]) => connection.send((client) => client.zrem(...args)),
  }
  return commands as unknown as MutexClient
}
