import { type Schedule, nextDueAt } from '@background-workers/abstractions'
import { intervalOffset } from '@background-workers/abstractions/for-managers'
import type { JobSchedulerTemplateOptions, Queue, RepeatOptions } from 'bullmq'
import type { RedisClient } from './connection.ts'
import type { Keys } from './keys.ts'
import { readSchedulers } from './scripts.ts'

/** A job scheduler of the tick queue, as far as we look at it. */
export interface TickScheduler {
  /** The worker's name. */
  readonly id: string
  /** When its pending job is due, in ms since the epoch. */
  readonly nextAt: number
  /** The schedule that it was made for; none when it is not ours. */
  readonly fingerprint: string | undefined
  /** Without it the scheduler would be silent for ever. */
  readonly hasPendingJob: boolean
  /** Only its id is left, so nobody can say whose it is. */
  readonly isBare: boolean
}

/** One BullMQ job scheduler per periodic worker. They are read with plain commands, so that nothing in them can throw. */
export class TickSchedulers {
  readonly #client: RedisClient
  readonly #keys: Keys
  readonly #queue: Queue

  constructor(client: RedisClient, keys: Keys, queue: Queue) {
    this.#client = client
    this.#keys = keys
    this.#queue = queue
  }

  async readAll(): Promise<Map<string, TickScheduler>> {
    const flat = (await readSchedulers.run(this.#client, [this.#keys.schedulers], [])) as string[]
    const schedulers = new Map<string, TickScheduler>()
    for (let index = 0; index + 3 < flat.length; index += 4) {
      const [id, nextAt, data, hasPendingJob] = flat.slice(index, index + 4) as [string, string, string, unknown]
      schedulers.set(id, {
        id,
        nextAt: Number(nextAt),
        fingerprint: readFingerprint(data),
        hasPendingJob: Number(hasPendingJob) === 1,
        isBare: Number(hasPendingJob) === -1,
      })
    }
    return schedulers
  }

  /** Writes the scheduler of one worker. `isNew`: there is none of that id. */
  async write(worker: string, schedule: Schedule, isNew: boolean): Promise<void> {
    // Only an unchanged period and offset may be upserted; anything else keeps a stale offset.
    if (!isNew) await this.#queue.removeJobScheduler(worker)
    const template = { name: 'tick', data: { v: 1, fp: fingerprintOf(worker, schedule) }, opts: TEMPLATE_OPTIONS }
    await this.#queue.upsertJobScheduler(worker, repeatOptionsOf(worker, schedule), template)
  }

  async remove(worker: string): Promise<void> {
    await this.#queue.removeJobScheduler(worker)
  }
}

const TEMPLATE_OPTIONS: JobSchedulerTemplateOptions = {
  removeOnComplete: true,
  removeOnFail: { count: 100 },
  attempts: 5,
  backoff: { type: 'fixed', delay: 1_000 },
  // Else all ticks of a worker belong to one endless trace.
  telemetry: { omitContext: true },
}

/** What the scheduler depends on; policy, pause and release do not touch it. */
export function fingerprintOf(worker: string, schedule: Schedule): string {
  return schedule.kind === 'every'
    ? `every ${schedule.periodMs} ${intervalOffset(schedule, worker)}`
    : `cron ${schedule.timeZone} ${schedule.expression}`
}

function repeatOptionsOf(worker: string, schedule: Schedule): Omit<RepeatOptions, 'key'> {
  if (schedule.kind === 'cron') return { pattern: schedule.expression, tz: schedule.timeZone }
  // An offset of 0 means "none" to BullMQ, which then runs at once and unaligned; a whole period is the same slots.
  return { every: schedule.periodMs, offset: intervalOffset(schedule, worker) || schedule.periodMs }
}

/** BullMQ asks it for the slot after `millis`: the same calculator as everywhere. */
export function repeatStrategy(millis: number, options: RepeatOptions): number | undefined {
  const { pattern, tz } = options
  if (pattern === undefined) return undefined
  return nextDueAt({ kind: 'cron', expression: pattern, timeZone: tz ?? 'UTC' }, millis)
}

function readFingerprint(data: string): string | undefined {
  if (data === '' || data.length > 1_000) return undefined
  try {
    const value: unknown = JSON.parse(data)
    if (typeof value !== 'object' || value === null) return undefined
    const { v, fp } = value as { v?: unknown; fp?: unknown }
    return v === 1 && typeof fp === 'string' ? fp : undefined
  } catch {
    return undefined
  }
}
