import { StoreUnavailableError } from '@background-workers/abstractions/for-managers'
import type { CancelRequests } from './cancel-requests.ts'
import type { Connection } from './connection.ts'
import { BEAT_MS, type Reconciler } from './reconciler.ts'
import { isRefusal, isNodeGone } from './redis-error.ts'
import { LOCKED_MS } from './write-lock.ts'

/** A heartbeat that takes longer is slow, or Redis is silent. */
const SLOW_BEAT_MS = 2_500

/** How long to wait after a heartbeat that has failed. */
const BEAT_AGAIN_MS = 2_000

/** A heartbeat that has not come round for so long does not beat any more. */
const SILENT_AFTER_MS = 60_000

/** What a heartbeat needs of its session, and tells it. */
export interface HeartbeatParts {
  readonly connection: Connection
  readonly reconciler: Reconciler
  readonly cancelRequests: CancelRequests
  readonly onError: (error: unknown) => void
}

/** Beats every 10 s, at once when Redis is back, and sooner while beats fail. One beat at a time. */
export class Heartbeat {
  readonly #parts: HeartbeatParts
  #timer: NodeJS.Timeout | undefined
  #beating: Promise<void> | undefined
  #isStopped = false
  #cameRoundAt = 0

  constructor(parts: HeartbeatParts) {
    this.#parts = parts
  }

  /** Beats from now on. The first beat was the one with which the reconciler started. */
  start(): void {
    this.#parts.connection.client.on('ready', this.#onReady)
    this.#cameRoundAt = performance.now()
    this.#arm()
  }

  /** Begins no more beats. */
  stop(): void {
    this.#isStopped = true
    clearTimeout(this.#timer)
    this.#parts.connection.client.off('ready', this.#onReady)
  }

  /** Whether beats are begun and end, however they end. */
  get isComingRound(): boolean {
    return this.#isStopped || performance.now() - this.#cameRoundAt < SILENT_AFTER_MS
  }

  /** The beat that is under way; never rejects. */
  get underWay(): Promise<void> | undefined {
    return this.#beating
  }

  /**
   * Beats until what was just changed here is in Redis. Rejects when Redis refuses it.
   *
   * @throws StoreUnavailableError when it is not in Redis after so long, a little before whoever waits gives up.
   */
  async declare(timeoutMs: number): Promise<void> {
    const { reconciler } = this.#parts
    const endsAt = performance.now() + timeoutMs
    const isDone = () => reconciler.isSettled || this.#isStopped
    do {
      // A beat that is under way may have looked before the change.
      await this.#beating
      await reconciler.beat()
      // There is time for one more beat, so that the error below comes before that of the connection, which knows less.
    } while (!isDone() && performance.now() + 2 * LOCKED_MS < endsAt && (await wait(LOCKED_MS)))
    if (isDone()) return
    throw new StoreUnavailableError(
      `What is declared here could not be written within ${timeoutMs} ms, while other instances write. Try again later.`,
    )
  }

  readonly #onReady = () => {
    this.#parts.reconciler.noteStale()
    void this.#beat()
  }

  #arm(): void {
    clearTimeout(this.#timer)
    if (this.#isStopped) return
    const delayMs = this.#parts.connection.isLost ? BEAT_AGAIN_MS : BEAT_MS
    this.#timer = setTimeout(() => void this.#beat().finally(() => this.#arm()), delayMs)
  }

  /** Never rejects. */
  #beat(): Promise<void> {
    this.#beating ??= this.#beatOnce().finally(() => {
      this.#beating = undefined
      this.#cameRoundAt = performance.now()
    })
    return this.#beating
  }

  async #beatOnce(): Promise<void> {
    const { connection, reconciler, cancelRequests, onError } = this.#parts
    if (this.#isStopped || !connection.isReady) return
    const silenceTimer = setTimeout(() => void connection.checkSilence(), SLOW_BEAT_MS)
    try {
      const { cancels } = await reconciler.beat()
      connection.noteAnswer()
      await cancelRequests.heed(cancels)
    } catch (error) {
      // What Redis itself says, or a cluster; anything else is an error of ours, or a connection that has closed.
      if (isRefusal(error) || isNodeGone(error)) connection.noteFailure(error)
      else onError(error)
    } finally {
      clearTimeout(silenceTimer)
    }
  }
}

async function wait(ms: number): Promise<true> {
  await new Promise((resolve) => setTimeout(resolve, ms))
  return true
}
