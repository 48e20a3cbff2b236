import { StoreUnavailableError, systemClock } from '@background-workers/abstractions'
import { waitFor, waitForAnswer } from '@background-workers/abstractions/for-managers'
import { Cluster, Redis, type RedisOptions } from 'ioredis'
import type { RedisLockConnection } from './options.ts'

type RedisClient = Redis | Cluster

/** The client: the caller's, or ours. A command is sent while Redis is there or not at all, and is answered in time or fails. */
export class RedisConnection {
  readonly #client: RedisClient
  readonly #isOurs: boolean
  readonly #commandTimeoutMs: number
  #lastError: unknown
  #isClosed = false
  #isGivenUp = false
  /** Shared by all who wait. */
  #ready: PromiseWithResolvers<void> | undefined
  readonly #onReady = () => {
    this.#ready?.resolve()
    this.#ready = undefined
  }
  readonly #onError = (error: unknown) => {
    this.#lastError = withoutCommand(error)
  }

  /** Connects at the first command. */
  constructor(connection: RedisLockConnection, commandTimeoutMs: number) {
    this.#isOurs = !isClient(connection)
    this.#client = isClient(connection) ? connection : createClient(connection)
    this.#commandTimeoutMs = commandTimeoutMs
    this.#client.on('error', this.#onError)
  }

  /**
   * @throws StoreUnavailableError when Redis can not be reached (then nothing was sent), refuses, or does not answer in
   *   time (then it may have been carried out).
   */
  async send<T>(command: (client: RedisClient) => Promise<T>): Promise<T> {
    const endsAt = performance.now() + this.#commandTimeoutMs
    if (!this.#isReady) await this.#waitUntilReady(endsAt)
    if (!this.#isReady) throw this.#unavailable('is not reachable, so nothing was sent')
    const answer = command(this.#client)
    if (!(await waitForAnswer(answer, Math.max(1, endsAt - performance.now())))) {
      this.#giveUpConnection()
      throw this.#unavailable(`did not answer within ${this.#commandTimeoutMs} ms`)
    }
    try {
      const result = await answer
      // What went wrong before is not why the next command fails.
      this.#lastError = undefined
      return result
    } catch (error) {
      this.#lastError = withoutCommand(error)
      throw this.#unavailable(`refuses`)
    }
  }

  /** Leaves a caller's client as it was; disconnects ours. */
  close(): void {
    this.#isClosed = true
    this.#client.off('error', this.#onError)
    this.#client.off('ready', this.#onReady)
    this.#onReady()
    if (!this.#isOurs) return
    // What a connection that ends still has to say concerns nobody.
    this.#client.on('error', () => {})
    this.#client.disconnect()
  }

  get #isReady(): boolean {
    return this.#client.status === 'ready' && !this.#isClosed
  }

  async #waitUntilReady(endsAt: number): Promise<void> {
    const client = this.#client
    if (this.#isClosed) return
    if (client.status === 'wait') client.connect().catch(this.#onError)
    if (!this.#ready) {
      this.#ready = Promise.withResolvers()
      client.once('ready', this.#onReady)
    }
    await waitFor(this.#ready.promise, Math.max(1, endsAt - performance.now()), systemClock)
  }

  /** A connection that is silent does not close by itself for many minutes. A caller's client is the caller's business. */
  #giveUpConnection(): void {
    if (!this.#isOurs || this.#isGivenUp) return
    this.#isGivenUp = true
    this.#client.once('close', () => {
      this.#isGivenUp = false
    })
    this.#client.disconnect(true)
  }

  #unavailable(what: string): StoreUnavailableError {
    const cause = this.#lastError
    const why = cause instanceof Error && cause.message !== '' ? ` (${cause.message})` : ''
    return new StoreUnavailableError(`Redis at ${this.#address} ${what}${why}.`, { cause })
  }

  get #address(): string {
    if (this.#client instanceof Cluster || this.#client.isCluster) return 'the cluster'
    const { host, port, path, sentinels, name } = (this.#client as Redis).options
    // With sentinels the host is ioredis' default, and not where it connects.
    if (sentinels) return `the master "${name}" of its sentinels`
    return path ?? `${host ?? '127.0.0.1'}:${port ?? 6379}`
  }
}

function isClient(connection: RedisLockConnection): connection is RedisClient {
  return typeof connection === 'object' && typeof (connection as Redis).duplicate === 'function'
}

/** Nothing waits in it: what can not be sent now, or is not answered on this connection, has failed. */
function createClient(connection: string | RedisOptions): Redis {
  const ours = {
    lazyConnect: true,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    // How long a connection that does not close is waited for; it holds the process up.
    disconnectTimeout: 100,
    retryStrategy: (times: number) => Math.min(times * 100, 2_000),
    reconnectOnError: (error: Error) => error.message.includes('READONLY'),
  } as const
  if (typeof connection === 'string') return new Redis(connection, ours)
  const options: Omit<RedisOptions, 'replyMapping'> = { ...ours, ...connection, lazyConnect: true }
  return new Redis(options)
}

/** ioredis puts the command into its errors, with password and data; neither may reach a log or a caller. */
function withoutCommand(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  const { name, message, stack } = error
  return Object.assign(new Error(message), { name, ...(stack !== undefined && { stack }) })
}
