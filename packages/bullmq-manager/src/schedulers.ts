import type { Schedule } from '@background-workers/abstractions'
import { intervalOffset, nextDueAt } from '@background-workers/abstractions/for-managers'
import { type JobSchedulerTemplateOptions, Queue, type RepeatOptions } from 'bullmq'
import type { RedisClient } from './redis-client.ts'
import { type Keys, TICK_QUEUE } from './keys.ts'
import { LuaScript } from './lua-script.ts'

/** The smallest period of a worker, in ms: BullMQ wakes 0 to 100 ms late. */
export const MIN_PERIOD_MS = 1_000

/** BullMQ's own log of a queue; nothing reads it. */
const LOG_LENGTH = 1_000

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

/** Whether it is not ours: it is left alone. */
export function isForeign({ fingerprint, isBare }: TickScheduler): boolean {
  return fingerprint === undefined && !isBare
}

/** One BullMQ job scheduler per periodic worker. They are read with plain commands, so that nothing in them can throw. */
export class TickSchedulers {
  readonly #client: RedisClient
  readonly #keys: Keys
  readonly #onError: (error: unknown) => void
  #opened: Queue | undefined
  #isClosed = false

  constructor(client: RedisClient, keys: Keys, onError: (error: unknown) => void) {
    this.#client = client
    this.#keys = keys
    this.#onError = onError
  }

  /** Limits BullMQ's own log of the queue, unless an earlier start has. */
  async limitLog(): Promise<void> {
    if ((await this.#client.hget(this.#keys.ticksMeta, 'opts.maxLenEvents')) !== null) return
    await this.#client.hset(this.#keys.ticksMeta, 'opts.maxLenEvents', LOG_LENGTH)
  }

  readAll(): Promise<Map<string, TickScheduler>> {
    return this.#read([])
  }

  /** Whether somebody else has a scheduler of that name. */
  async hasForeign(worker: string): Promise<boolean> {
    const scheduler = (await this.#read([worker])).get(worker)
    return scheduler !== undefined && isForeign(scheduler)
  }

  /** All of them, or that of one worker. */
  async #read(only: readonly string[]): Promise<Map<string, TickScheduler>> {
    const flat: readonly string[] = JSON.parse(
      (await readSchedulers.run(this.#client, [this.#keys.schedulers], only)) as string,
    )
    const schedulers = new Map<string, TickScheduler>()
    for (let index = 0; index + 3 < flat.length; index += 4) {
      const id = flat[index] as string
      const hasPendingJob = Number(flat[index + 3])
      schedulers.set(id, {
        id,
        nextAt: Number(flat[index + 1]),
        fingerprint: readFingerprint(flat[index + 2] as string),
        hasPendingJob: hasPendingJob === 1,
        isBare: hasPendingJob === -1,
      })
    }
    return schedulers
  }

  /** Writes the scheduler of one worker. `isNew`: there is none of that id. */
  async write(worker: string, schedule: Schedule, isNew: boolean): Promise<void> {
    // Only an unchanged period and offset may be upserted; anything else keeps a stale offset.
    if (!isNew) await this.#queue().removeJobScheduler(worker)
    const template = { name: 'tick', data: { v: 1, fp: fingerprintOf(worker, schedule) }, opts: TEMPLATE_OPTIONS }
    await this.#queue().upsertJobScheduler(worker, repeatOptionsOf(worker, schedule), template)
  }

  async remove(worker: string): Promise<void> {
    await this.#queue().removeJobScheduler(worker)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#opened?.close()
  }

  /** Opened when it is first needed: a start that changes nothing has no use for it, and takes 3 ms less. */
  #queue(): Queue {
    if (this.#opened) return this.#opened
    if (this.#isClosed) throw new Error('The schedulers are closed.')
    const queue = new Queue(TICK_QUEUE, {
      connection: this.#client as never,
      prefix: this.#keys.prefix,
      skipVersionCheck: true,
      // Else each start writes them; see limitLog.
      skipMetasUpdate: true,
      settings: { repeatStrategy },
    } as ConstructorParameters<typeof Queue>[1])
    queue.on('error', this.#onError)
    this.#opened = queue
    return queue
  }
}

/** Of each tick; an object in it (`backoff`, `removeOnFail`) would take 2 % of what a run takes. */
const TEMPLATE_OPTIONS: JobSchedulerTemplateOptions = { removeOnComplete: true }

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
  const written = WRITTEN.exec(data)
  if (written) return written[1]
  try {
    const value: unknown = JSON.parse(data)
    if (typeof value !== 'object' || value === null) return undefined
    const { v, fp } = value as { v?: unknown; fp?: unknown }
    return v === 1 && typeof fp === 'string' ? fp : undefined
  } catch {
    return undefined
  }
}

/** As it is written here; to read all of 10,000 as JSON takes 3 ms more. */
const WRITTEN = /^\{"v":1,"fp":"([ !#-[\]-~]*)"\}$/

/**
 * All schedulers of the tick queue, or one of them, in one answer, a JSON array: id, next due time, template data, whether its pending job is
 * there (-1: it has lost everything but its id), id, … What is not a hash has no data.
 *
 * KEYS schedulers · ARGV id of the only one
 */
const readSchedulers = new LuaScript(`
local answer, jobs = {}, {}
local entries
if ARGV[1] then
  local dueAt = redis.call('ZSCORE', KEYS[1], ARGV[1])
  entries = dueAt and { ARGV[1], dueAt } or {}
else
  entries = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
end
for i = 1, #entries, 2 do
  local key = KEYS[1] .. ':' .. entries[i]
  local data = redis.pcall('HGET', key, 'data')
  local isRead = type(data) == 'string'
  local isBare = not isRead and redis.call('EXISTS', key) == 0
  local n = i * 2 - 2
  answer[n + 1] = entries[i]
  answer[n + 2] = entries[i + 1]
  answer[n + 3] = isRead and data or ''
  answer[n + 4] = isBare and -1 or 1
  jobs[#jobs + 1] = key .. ':' .. entries[i + 1]
end
-- Mostly all are there. To ask for each takes Redis a third more time.
for from = 1, #jobs, 1000 do
  local to = math.min(from + 999, #jobs)
  if redis.call('EXISTS', unpack(jobs, from, to)) <= to - from then
    for i = from, to do
      if answer[i * 4] == 1 then answer[i * 4] = redis.call('EXISTS', jobs[i]) end
    end
  end
end
return #answer == 0 and '[]' or cjson.encode(answer)
`)
