/** All names in Redis. The braces keep an application in one slot of a Redis Cluster. */
export class Keys {
  /** BullMQ's prefix. */
  readonly prefix: string
  /** The version of the data. */
  readonly meta: string
  /** One hash for all workers, a few fields each (see stored-worker.ts), and the version of what is declared. */
  readonly workers: string
  readonly instances: string
  readonly instanceNames: string
  /** Runs that are to be cancelled by the instance that runs them, since when, and who wants it. */
  readonly cancels: string
  /** Held for moments while schedules are written or removed. */
  readonly writeLock: string
  /** The scheduler ids of the tick queue and when they are due next (BullMQ's key). */
  readonly schedulers: string
  /** The settings of the tick queue (BullMQ's key). */
  readonly ticksMeta: string

  constructor(applicationName: string) {
    this.prefix = `{${applicationName}}`
    this.meta = `${this.prefix}:meta`
    this.workers = `${this.prefix}:workers`
    this.instances = `${this.prefix}:instances`
    this.instanceNames = `${this.prefix}:instances:names`
    this.cancels = `${this.prefix}:cancels`
    this.writeLock = `${this.prefix}:write-lock`
    this.schedulers = `${this.prefix}:${TICK_QUEUE}:repeat`
    this.ticksMeta = `${this.prefix}:${TICK_QUEUE}:meta`
  }

  records(worker: string): string {
    return `${this.prefix}:records:${worker}`
  }

  /** The order of a worker's runs, or of its non-runs. */
  order(worker: string, kind: 'runs' | 'non-runs'): string {
    return `${this.prefix}:records:${worker}:${kind}`
  }

  /** BullMQ's lock of a run's job. */
  runLock(queue: string, runId: string): string {
    return `${this.prefix}:${runQueueName(queue)}:${runId}:lock`
  }
}

/** The BullMQ queue of the job schedulers. */
export const TICK_QUEUE = 'ticks'

/** The BullMQ queue of the runs of one of our queues. */
export function runQueueName(queue: string): string {
  return `runs.${queue}`
}
