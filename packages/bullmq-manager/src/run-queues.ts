import type { RunKind } from '@background-workers/abstractions'
import { isSlug, readCause } from '@background-workers/abstractions/for-managers'
import { type Job, Queue } from 'bullmq'
import type { RedisClient } from './redis-client.ts'
import { type Keys, runQueueName } from './keys.ts'

/** The marks of a worker, as its tick has read them. */
export interface SeenMarks {
  readonly decidedUpTo: number
  readonly startedUpTo: number | undefined
}

/** What a run job is made of. */
export interface RunRequest {
  readonly runId: string
  readonly worker: string
  readonly kind: RunKind
  /** The slot in ms since the epoch, or when the run was asked for. */
  readonly slot: number
  readonly missedSlots: number
  readonly delayMs: number
  readonly by?: string
  /** For `manual`: see `TriggerTrace`. */
  readonly cause?: string | undefined
  /** For `start`: the release or time it runs for. */
  readonly startMark?: string
  /** By these it may be planned; none where it waits for its jitter. */
  readonly seen?: SeenMarks | undefined
}

/** What is in a run job, read from Redis and checked. */
export type RunJobData = Omit<RunRequest, 'runId' | 'delayMs'>

/** What the run queues need of their session. */
export interface RunQueuesParts {
  readonly client: RedisClient
  readonly keys: Keys
  onError(error: unknown): void
}

/** The queues of the runs, each opened when it is first needed. They share the client, so they cost no connection. */
export class RunQueues {
  readonly #parts: RunQueuesParts
  readonly #queues = new Map<string, Queue>()

  constructor(parts: RunQueuesParts) {
    this.#parts = parts
  }

  /**
   * Adds a run; `deduplication` lets no second one of the worker in, in the whole cluster, until it has settled.
   * Gives the id of the run that is in the way, if there is one.
   */
  async add(queue: string, { runId, delayMs, ...data }: RunRequest): Promise<string | undefined> {
    const job = await this.#queue(queue).add('run', data satisfies RunJobData, {
      jobId: runId,
      deduplication: { id: data.worker },
      attempts: 1,
      removeOnComplete: true,
      ...(delayMs > 0 && { delay: delayMs }),
    })
    return job.id === runId ? undefined : (job.id ?? runId)
  }

  /** The token of a run tells which queue it came from. */
  token(queue: string, instanceId: string, startNumber: number): string {
    return `${queue}/${instanceId}/${startNumber}`
  }

  queueOf(token: string): string {
    return token.slice(0, token.indexOf('/'))
  }

  async getJob(queue: string, runId: string): Promise<Job | undefined> {
    return (await this.#queue(queue).getJob(runId)) as Job | undefined
  }

  /** The run that holds the guard of a worker. */
  async guardOf(queue: string, worker: string): Promise<string | undefined> {
    return (await this.#queue(queue).getDeduplicationJobId(worker)) ?? undefined
  }

  /** Whether an instance holds the lease of a run. */
  async isLeased(queue: string, runId: string): Promise<boolean> {
    const { client, keys } = this.#parts
    return (await client.exists(keys.runLock(queue, runId))) === 1
  }

  /** Whether the job of a run is there, and BullMQ is not done with it. */
  async isToBeDone(queue: string, runId: string): Promise<boolean> {
    return isToBeDone(await this.getJob(queue, runId))
  }

  /**
   * Removes what BullMQ keeps of failed runs for slots after that time: while it is there, no other run of its id can be
   * added.
   */
  async forgetFailed(queue: string, afterMs: number): Promise<void> {
    const runIds = await this.#queue(queue).getRanges(['failed'], 0, -1)
    for (const runId of runIds) {
      // Of a run that is for no slot this is no number.
      const slot = Number(runId.slice(runId.lastIndexOf('.') + 1))
      if (slot > afterMs) await this.#queue(queue).remove(runId)
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#queues.values()].map((queue) => queue.close()))
    this.#queues.clear()
  }

  #queue(name: string): Queue {
    let queue = this.#queues.get(name)
    if (!queue) {
      const { client, keys } = this.#parts
      queue = new Queue(runQueueName(name), {
        connection: client as never,
        prefix: keys.prefix,
        skipVersionCheck: true,
        streams: { events: { maxLen: 1_000 } },
      } as ConstructorParameters<typeof Queue>[1])
      queue.on('error', (error) => this.#parts.onError(error))
      this.#queues.set(name, queue)
    }
    return queue
  }
}

/** Whether a job is there, and BullMQ is not done with it. */
export function isToBeDone(job: Job | undefined): boolean {
  return job !== undefined && job.finishedOn === undefined
}

/** Reads a run job; what is not ours, or was tampered with, gives `undefined`. */
export function readRunJob(job: Job): RunJobData | undefined {
  const data: unknown = job.data
  if (typeof data !== 'object' || data === null) return undefined
  const { worker, kind, slot, missedSlots, by, cause, startMark, seen } = data as Partial<RunJobData>
  if (isSlug(worker) !== undefined || !job.id?.startsWith(`${worker}.`)) return undefined
  if (kind !== 'scheduled' && kind !== 'catch-up' && kind !== 'start' && kind !== 'manual') return undefined
  if (!Number.isSafeInteger(slot) || !Number.isSafeInteger(missedSlots)) return undefined
  return {
    worker: worker as string,
    kind,
    slot: slot as number,
    missedSlots: missedSlots as number,
    ...(typeof by === 'string' && { by }),
    cause: readCause(cause),
    ...(typeof startMark === 'string' && { startMark }),
    seen: readSeen(seen),
  }
}

function readSeen(seen: unknown): SeenMarks | undefined {
  if (typeof seen !== 'object' || seen === null) return undefined
  const { decidedUpTo, startedUpTo } = seen as SeenMarks
  const isMark = (mark: unknown) => Number.isSafeInteger(mark)
  return isMark(decidedUpTo) && (startedUpTo === undefined || isMark(startedUpTo))
    ? { decidedUpTo, startedUpTo }
    : undefined
}
