import {
  type EventHub,
  type HealthMonitor,
  type SafeLogger,
  StartTimeoutError,
  StoreOutage,
  StoreUnavailableError,
  systemClock,
  waitFor,
  waitForAnswer,
} from '@background-workers/abstractions/for-managers'
import { type RedisConnection, isClient } from './options.ts'
import { type RedisClient, addressOf, createClient, endClient } from './redis-client.ts'
import { isOfRedis, isNodeGone, reasonOf, withoutCommand } from './redis-error.ts'

/** A `PING` that is not answered for so long means that the connection is dead. */
const SILENT_AFTER_MS = 2_500

/** What a connection needs of its manager. */
export interface ConnectionParts {
  readonly connection: RedisConnection
  readonly commandTimeoutMs: number
  readonly logger: SafeLogger
  readonly events: EventHub
  readonly health: HealthMonitor
}

/**
 * The shared client: the caller's, or ours. It says once when Redis is lost and once when it is back, however many
 * errors there are, and lets control calls through only while Redis is there.
 *
 *     there -> away: the connection has closed, or is silent, or the node of a cluster is gone; nothing is sent
 *     there -> refusing: a heartbeat was refused (full memory, read-only); what is sent may be refused too
 *     away or refusing -> there: a heartbeat was answered
 */
export class Connection {
  readonly client: RedisClient
  readonly #isOurs: boolean
  readonly #parts: ConnectionParts
  #state: 'there' | 'away' | 'refusing' = 'there'
  #hasBeenThere = false
  readonly #outage: StoreOutage
  #errorCount = 0
  #lastError: unknown
  #isClosed = false
  readonly #waiting = new Set<() => void>()
  readonly #onReady = () => this.#wake()
  readonly #onClose = () => {
    // One that Redis closes in good order gives no error: the reconnects that fail say more.
    this.#lastError ??= new Error('the connection was closed')
    this.#lost('away')
  }
  readonly #onError = (error: unknown) => {
    this.#errorCount++
    this.#lastError = withoutCommand(error)
    if (this.#state === 'away') this.#lost('away')
  }

  constructor(parts: ConnectionParts) {
    this.#parts = parts
    this.#outage = new StoreOutage({ ...parts, clock: systemClock })
    const { connection } = parts
    this.#isOurs = !isClient(connection)
    this.client = isClient(connection) ? connection : createClient(connection)
    this.client.on('ready', this.#onReady)
    this.client.on('close', this.#onClose)
    this.client.on('error', this.#onError)
  }

  get isReady(): boolean {
    return this.client.status === 'ready'
  }

  /** Whether a command would be answered, as far as is known. */
  get isThere(): boolean {
    return this.isReady && this.#state !== 'away'
  }

  /** Whether heartbeats fail. */
  get isLost(): boolean {
    return this.#state !== 'there'
  }

  /** Counts an error of BullMQ. During an outage none is printed. The client's own errors say more of why. */
  noteError(error: unknown): void {
    this.#errorCount++
    if (!this.isReady) this.#lastError ??= withoutCommand(error)
  }

  /** A heartbeat was answered. */
  noteAnswer(): void {
    if (!this.isReady) return
    if (this.#state !== 'there') this.#restored()
    this.#hasBeenThere = true
    this.#wake()
  }

  /** A heartbeat was refused, as by a full or read-only Redis, or a cluster has lost the node that it was for. */
  noteFailure(error: unknown): void {
    if (this.#isClosed) return
    this.#lastError = withoutCommand(error)
    this.#lost(isNodeGone(error) ? 'away' : 'refusing')
  }

  /** Looks whether Redis still answers; a connection that is silent does not close by itself for many minutes. */
  async checkSilence(): Promise<void> {
    if (this.#isClosed || !this.isThere) return
    if ((await this.answers(SILENT_AFTER_MS)) || this.#isClosed || !this.isThere) return
    this.#lastError = new Error(`no answer within ${SILENT_AFTER_MS} ms`)
    this.#lost('away')
    // Of a caller's client that is the caller's business.
    if (this.#isOurs) this.client.disconnect(true)
  }

  /** Whether Redis answers a `PING` within so long; it may answer that it refuses. */
  async answers(withinMs: number): Promise<boolean> {
    return this.isReady && (await waitForAnswer(this.client.ping(), withinMs)) && this.isReady
  }

  /**
   * Waits until Redis answers.
   *
   * @throws StartTimeoutError naming host and cause, never credentials.
   */
  async waitUntilReady(timeoutMs: number): Promise<void> {
    if (this.isReady) return
    if (this.client.status === 'wait') this.client.connect().catch((error) => this.noteError(error))
    await this.#waitFor(() => this.isReady, timeoutMs)
    if (this.isReady) return
    throw new StartTimeoutError(
      `Redis at ${addressOf(this.client)} did not answer within ${timeoutMs} ms (${reasonOf(this.#lastError)}). Check that it runs and that the connection option is right.`,
      { cause: this.#lastError },
    )
  }

  /**
   * Sends what a control call has to send: nothing while Redis is away.
   *
   * @throws StoreUnavailableError
   */
  async send<T>(call: string, work: () => Promise<T>): Promise<T> {
    const { commandTimeoutMs } = this.#parts
    if (!this.isThere) {
      await this.#waitFor(() => this.isThere, commandTimeoutMs)
      if (!this.isThere) {
        throw new StoreUnavailableError(
          `${call}: Redis at ${addressOf(this.client)} is not reachable, so nothing was sent. Try again later.`,
          { cause: this.#lastError },
        )
      }
    }
    return this.inTime(call, commandTimeoutMs, work)
  }

  /** @throws StoreUnavailableError when the answer takes too long, or when Redis refuses. */
  async inTime<T>(call: string, timeoutMs: number, work: () => Promise<T>): Promise<T> {
    const result = work()
    if (await waitForAnswer(result, timeoutMs)) {
      return result.catch((error) => {
        if (!isOfRedis(error)) throw error
        throw new StoreUnavailableError(`${call}: Redis at ${addressOf(this.client)} refuses (${reasonOf(error)}).`, {
          cause: withoutCommand(error),
        })
      })
    }
    result.catch((error) => this.noteError(error))
    void this.checkSilence()
    throw new StoreUnavailableError(
      `${call}: Redis at ${addressOf(this.client)} did not answer within ${timeoutMs} ms. Its outcome is unknown: look before you repeat it.`,
      { cause: this.#lastError },
    )
  }

  /** Leaves the caller's client as it was; disconnects ours. */
  close(): void {
    this.#isClosed = true
    this.#wake()
    this.client.off('ready', this.#onReady)
    this.client.off('close', this.#onClose)
    this.client.off('error', this.#onError)
    this.#outage.forget()
    if (this.#isOurs) endClient(this.client)
  }

  /** Waits until a fact holds, or for so long, or until this is closed. */
  async #waitFor(isIt: () => boolean, timeoutMs: number): Promise<void> {
    const endsAt = performance.now() + timeoutMs
    while (!isIt() && !this.#isClosed && performance.now() < endsAt) {
      const woken = Promise.withResolvers<void>()
      this.#waiting.add(woken.resolve)
      await waitFor(woken.promise, endsAt - performance.now(), systemClock)
      this.#waiting.delete(woken.resolve)
    }
  }

  #wake(): void {
    for (const wake of this.#waiting) wake()
  }

  #lost(state: 'away' | 'refusing'): void {
    if (this.#state === 'there' || state === 'away') this.#state = state
    const err = this.#lastError
    const isNew = this.#outage.lost(
      err,
      `Redis is ${this.#hasBeenThere ? 'lost' : 'not there'}, schedules and runs wait for it`,
      `Redis at ${addressOf(this.client)} is not ${state === 'away' ? 'reachable' : 'writable'}: ${reasonOf(err)}.`,
    )
    if (isNew) this.#errorCount = 0
  }

  #restored(): void {
    this.#state = 'there'
    this.#lastError = undefined
    this.#outage.restored(`Redis is ${this.#hasBeenThere ? 'back' : 'there'}`, { errors: this.#errorCount })
  }
}
