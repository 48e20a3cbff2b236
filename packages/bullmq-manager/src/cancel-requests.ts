import { type Run, RunCancelledError, workerOfRunId } from '@background-workers/abstractions/for-managers'
import type { Keys } from './keys.ts'
import type { RedisClient } from './redis-client.ts'
import type { RedisClock } from './redis-clock.ts'
import type { Store } from './store.ts'
import type { UnstartedRuns } from './unstarted-runs.ts'

/** A request to cancel is kept for so long, and for as long as its run is not over. */
const CANCEL_KEPT_MS = 60_000

/** Somebody wants a run cancelled that another instance runs. */
export interface CancelRequest {
  readonly by: string | undefined
  /** When, by Redis time. */
  readonly at: number
}

/** What is needed to cancel across instances. */
export interface CancelRequestsParts {
  readonly client: RedisClient
  readonly keys: Keys
  readonly clock: RedisClock
  readonly store: Store
  readonly unstartedRuns: UnstartedRuns
  /** The run, if this instance runs it and holds its lease. */
  readonly heldRun: (runId: string) => Run | undefined
}

/** Asks the instance that runs it to cancel a run, and heeds what others ask of this one. */
export class CancelRequests {
  readonly #parts: CancelRequestsParts
  /** Those that were seen last, and those that were sent here since. */
  #known: ReadonlyMap<string, CancelRequest> = new Map()

  constructor(parts: CancelRequestsParts) {
    this.#parts = parts
  }

  async send(runId: string, by: string | undefined): Promise<void> {
    const { client, keys, clock } = this.#parts
    const at = clock.now()
    await client.hset(keys.cancels, runId, `${at} ${by ?? ''}`)
    this.#known = new Map([...this.#known, [runId, { by, at }]])
    // It may have started here meanwhile.
    this.noteStarted(runId)
  }

  /** Looks for requests between two heartbeats, which bring them too. */
  async look(): Promise<void> {
    const { client, keys } = this.#parts
    const requests = Object.entries(await client.hgetall(keys.cancels))
    await this.heed(new Map(requests.map(([runId, text]) => [runId, readCancelRequest(text)])))
  }

  /** What is asked of a run, if it is. */
  async find(runId: string): Promise<CancelRequest | undefined> {
    const { client, keys } = this.#parts
    const text = await client.hget(keys.cancels, runId)
    return text === null ? undefined : readCancelRequest(text)
  }

  /**
   * Cancels what runs here. A request that nobody has taken up for a while is forgotten when its run is over: until then that may
   * wait for long to be taken up again, as it was put off or its process has died.
   */
  async heed(requests: ReadonlyMap<string, CancelRequest>): Promise<void> {
    const { client, keys, clock } = this.#parts
    this.#known = requests
    for (const [runId, request] of requests) {
      const isHere = this.#abort(runId, request)
      const isOld = clock.now() - request.at > CANCEL_KEPT_MS
      if (isHere || (isOld && (await this.#isOver(runId)))) await client.hdel(keys.cancels, runId)
    }
  }

  /** A run starts here: it may have been cancelled while it was decided. */
  noteStarted(runId: string): void {
    const request = this.#known.get(runId)
    if (request) this.#abort(runId, request)
  }

  /** It is neither its worker's active run nor about to come. */
  async #isOver(runId: string): Promise<boolean> {
    const { store, unstartedRuns } = this.#parts
    const stored = await store.read(workerOfRunId(runId), ['active', 'definition'])
    return stored.active?.record.runId !== runId && !(await unstartedRuns.isToBeDone(runId, stored))
  }

  /** Gives `false` when it does not run here. */
  #abort(runId: string, { by }: CancelRequest): boolean {
    const run = this.#parts.heldRun(runId)
    run?.abort(new RunCancelledError(run.record.worker, runId, by))
    return run !== undefined
  }
}

/** What can not be read is old, so that it is cleared. */
export function readCancelRequest(text: string): CancelRequest {
  const space = text.indexOf(' ')
  const at = Number(text.slice(0, space))
  return { at: Number.isFinite(at) ? at : 0, by: text.slice(space + 1) || undefined }
}
