import { createHash } from 'node:crypto'
import type { IBackgroundWorkerManager, ManagerEventName, WorkerStatus } from '@background-workers/abstractions'
import { minuteOf } from './activity.ts'
import type { KnownHealth } from './health-reader.ts'
import type { SharedReading } from './shared-reading.ts'

/** What live updates need to know. */
export interface LiveUpdatesOptions {
  readonly manager: Pick<IBackgroundWorkerManager, 'on'>
  readonly list: SharedReading<readonly WorkerStatus[]>
  readonly health: SharedReading<KnownHealth>
  readonly pollIntervalMs: number
  readonly maxStreams: number
}

const HEARTBEAT_MS = 15_000

/** Pages are told at most so often; what happens meanwhile is one change. */
const CHANGES_APART_MS = 500

/** A look takes at most a tenth of the time. */
const REST_PER_LOOK = 9

/** Something and a change behind it; a heartbeat is sent into an empty queue only. */
const QUEUE_LENGTH = 2

const EVENTS = [
  'run-started',
  'run-retrying',
  'run-finished',
  'run-skipped',
  'worker-added',
  'worker-removed',
  'worker-paused',
  'worker-resumed',
  'worker-rescheduled',
  'worker-orphaned',
  'worker-start-failed',
  'override-dropped',
  'store-lost',
  'store-restored',
  'worker-stuck',
  'worker-overdue',
  'worker-recovered',
  'health-reason-added',
  'health-reason-cleared',
  'health-changed',
] as const satisfies readonly ManagerEventName[]

const encoder = new TextEncoder()
const OPENING = encoder.encode('retry: 3000\n\n')
const CHANGE = encoder.encode('event: change\ndata: \n\n')
const HEARTBEAT = encoder.encode(': \n\n')

/**
 * Tells open pages that something has changed; they fetch themselves again then. What changes on this instance is known
 * by events; for what others change, list and health are read at an interval, once for all pages. What changes only because
 * time passes is told once a minute. While no page is open there is no listener and no timer.
 */
export class LiveUpdates {
  readonly #options: LiveUpdatesOptions
  readonly #streams = new Set<ReadableStreamDefaultController<Uint8Array>>()
  #unsubscribe: (() => void)[] = []
  #pollTimer: NodeJS.Timeout | undefined
  #heartbeatTimer: NodeJS.Timeout | undefined
  #changeTimer: NodeJS.Timeout | undefined
  #fingerprint: string | undefined
  #isClosed = false

  constructor(options: LiveUpdatesOptions) {
    this.#options = options
  }

  /** A stream of server-sent events that ends with its reader, or with the request; none when there are too many. */
  open(request: Request): ReadableStream<Uint8Array> | undefined {
    if (this.#isClosed || this.#streams.size >= this.#options.maxStreams || request.signal.aborted) return undefined
    let leave = () => {}
    return new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          const abort = () => {
            leave()
            closeQuietly(controller)
          }
          leave = () => {
            // Keeps the request too: the signal of one that is collected tells nothing any more (Node 24).
            request.signal.removeEventListener('abort', abort)
            this.#remove(controller)
          }
          request.signal.addEventListener('abort', abort)
          this.#streams.add(controller)
          controller.enqueue(OPENING)
          if (this.#streams.size === 1) this.#watch()
        },
        cancel: () => leave(),
      },
      { highWaterMark: QUEUE_LENGTH },
    )
  }

  /** Ends all streams; no other is opened. */
  close(): void {
    this.#isClosed = true
    for (const controller of [...this.#streams]) {
      this.#remove(controller)
      closeQuietly(controller)
    }
  }

  #remove(controller: ReadableStreamDefaultController<Uint8Array>): void {
    if (this.#streams.delete(controller) && this.#streams.size === 0) this.#rest()
  }

  #watch(): void {
    const { manager } = this.#options
    this.#unsubscribe = EVENTS.map((event) => manager.on(event, () => this.#change()))
    this.#heartbeatTimer = setInterval(() => this.#send(HEARTBEAT, QUEUE_LENGTH), HEARTBEAT_MS)
    this.#fingerprint = undefined
    this.#pollIn(0)
  }

  #rest(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe()
    this.#unsubscribe = []
    clearInterval(this.#heartbeatTimer)
    clearTimeout(this.#pollTimer)
    clearTimeout(this.#changeTimer)
    this.#changeTimer = undefined
  }

  #pollIn(ms: number): void {
    clearTimeout(this.#pollTimer)
    this.#pollTimer = setTimeout(() => void this.#poll(), ms)
  }

  async #poll(): Promise<void> {
    const startedAt = performance.now()
    const fingerprint = await this.#look()
    if (this.#streams.size === 0) return
    if (this.#fingerprint !== undefined && fingerprint !== this.#fingerprint) this.#change()
    this.#fingerprint = fingerprint
    this.#pollIn(Math.max(this.#options.pollIntervalMs, REST_PER_LOOK * (performance.now() - startedAt)))
  }

  async #look(): Promise<string> {
    try {
      const { list, health } = this.#options
      return fingerprintOf(...(await Promise.all([list.read(), health.read()])), Date.now())
    } catch {
      // The pages say what is wrong when they are fetched.
      return 'unreadable'
    }
  }

  #change(): void {
    this.#changeTimer ??= setTimeout(() => {
      this.#changeTimer = undefined
      this.#send(CHANGE, 1)
    }, CHANGES_APART_MS)
  }

  /** To the streams that have so much room. One without room for a change has a change in its queue that tells as much. */
  #send(message: Uint8Array, room: number): void {
    for (const controller of this.#streams) if ((controller.desiredSize ?? 0) >= room) controller.enqueue(message)
  }
}

function closeQuietly(controller: ReadableStreamDefaultController<Uint8Array>): void {
  try {
    controller.close()
  } catch {
    // Its reader has gone already.
  }
}

/** The same as long as nothing has changed that a page shows, for a minute at most: due times and the plot move on with time. */
function fingerprintOf(workers: readonly WorkerStatus[], health: KnownHealth, now: number): string {
  const hash = createHash('sha256')
  hash.update(String(minuteOf(now)))
  for (const { name, state, nextDueAt, paused, schedule, policy, activeRun, lastRun, consecutiveFailures } of workers) {
    hash.update(
      JSON.stringify([
        name,
        state,
        nextDueAt,
        paused,
        schedule,
        policy,
        activeRun?.runId,
        activeRun?.attempts,
        lastRun?.runId,
        lastRun?.outcome,
        consecutiveFailures,
      ]),
    )
  }
  // Their messages may tell how much, which changes all the time.
  hash.update(JSON.stringify(health?.reasons.map(({ worker = '', code }) => `${worker} ${code}`).sort() ?? null))
  // When they were seen last changes all the time, too.
  const instances = health?.instances?.map(({ instanceId, release, queues }) =>
    JSON.stringify([instanceId, release, queues]),
  )
  hash.update(JSON.stringify(instances?.sort() ?? null))
  return hash.digest('base64')
}
