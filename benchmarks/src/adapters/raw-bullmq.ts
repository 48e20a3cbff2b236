import { randomUUID } from 'node:crypto'
import type { RunRecord, Schedule } from '@background-workers/abstractions'
import type { Job, Queue, Worker } from 'bullmq'
import type { Redis } from 'ioredis'
import { Keys } from '../../../packages/bullmq-manager/src/keys.ts'
import { Store } from '../../../packages/bullmq-manager/src/store.ts'
import { TICK_FIELDS } from '../../../packages/bullmq-manager/src/stored-worker.ts'
import { installed } from '../installed.ts'
import { CONCURRENCY, type RedisContestant, type RedisJob } from './redis-contestant.ts'

type BullMq = typeof import('bullmq')
type Abstractions = typeof import('@background-workers/abstractions')

/** `upsertJobScheduler` for each job and one Worker: overlapping runs, no records. Upserts 25 at a time. */
export const rawBullMq = rawContestant('bullmq', upsertAll(25))

/** The same, as loops are mostly written. */
export const rawBullMqOneByOne = rawContestant('bullmq, one by one', upsertAll(1))

/** The same with one `Promise.all`. */
export const rawBullMqAllAtOnce = rawContestant('bullmq, all at once', upsertAll(Number.POSITIVE_INFINITY))

/** Sees to it that each job has its scheduler. */
type Declare = (queue: Queue, client: Redis, jobs: readonly RedisJob[]) => Promise<void>

function rawContestant(name: string, declare: Declare): RedisContestant {
  return {
    name,
    open: async (jobs, { url, work }) => {
      const { bullmq, createClient } = await load()
      let client: Redis
      let queue: Queue
      let worker: Worker
      return {
        start: async () => {
          client = createClient(url)
          queue = new bullmq.Queue('jobs', { connection: client as never })
          await declare(queue, client, jobs)
          worker = new bullmq.Worker('jobs', (job) => work(...readTick(job)), {
            connection: client as never,
            concurrency: CONCURRENCY,
          })
        },
        stop: async () => {
          // Not in the start: ours does not wait for its BullMQ Workers either.
          await worker.waitUntilReady()
          await worker.close()
          await queue.close()
          client.disconnect()
        },
      }
    },
  }
}

/** A queue and a Worker for each job, with global concurrency 1: how overlap is prevented with BullMQ alone. */
export const queuePerWorker: RedisContestant = {
  name: 'bullmq, queue per worker',
  open: async (jobs, { url, work }) => {
    const { bullmq, createClient } = await load()
    const open: (Queue | Worker)[] = []
    let client: Redis
    return {
      start: async () => {
        client = createClient(url)
        await inParallel(jobs, 25, async (job) => {
          const queue = new bullmq.Queue(job.name, { connection: client as never })
          await queue.setGlobalConcurrency(1)
          await upsert(queue, job)
          const worker = new bullmq.Worker(job.name, (tick) => work(...readTick(tick)), { connection: client as never })
          open.push(worker, queue)
          await worker.waitUntilReady()
        })
      },
      stop: async () => {
        await Promise.all(open.map((object) => object.close()))
        client.disconnect()
      },
    }
  },
}

/** A limit, not a peer: ticks that add deduplicated runs, the least that prevents overlap over a cluster; no records. */
export const bareTwoStage = twoStage('bare two-stage (limit)', async () => ({
  tick: (_name, _slot, addRun) => addRun(),
  run: (run, work) => work(run.name, run.data.slot),
}))

/**
 * A limit, not a peer: the same, and what a run is promised besides. The tick looks whether its worker is paused, and says that the
 * slot is no longer owed, for its run may have to wait for a place; the run is decided once and recorded before its work, its outcome
 * after it. No policy, missed slot, lease, crash or event is looked after.
 */
export const recordedTwoStage = twoStage('two-stage with records (limit)', async (client) => {
  const [decide, finish] = (await Promise.all([
    client.script('LOAD', decideRun),
    client.script('LOAD', finishRun),
  ])) as [string, string]
  return {
    tick: async (name, slot, addRun) => {
      const [pause] = await client.hmget('workers', `pause:${name}`, `definition:${name}`)
      if (pause !== null) return
      await addRun()
      await client.hset('workers', `decided:${name}`, slot)
    },
    run: async ({ name, data: { slot } }, work) => {
      const startedAt = Date.now()
      const record = { runId: `${name}.${slot}`, worker: name, kind: 'scheduled', scheduledFor: slot, startedAt }
      const keys = ['workers', `records:${name}`, `records:${name}:order`]
      if ((await client.evalsha(decide, 3, ...keys, name, slot, JSON.stringify(record), startedAt)) !== 1) return
      await work(name, slot)
      const finished = { ...record, finishedAt: Date.now(), outcome: 'succeeded' }
      await client.evalsha(finish, 2, ...keys.slice(0, 2), name, slot, JSON.stringify(finished))
    },
  }
})

/**
 * A limit, not a peer: the same with the very commands by which our manager keeps its promises (a tick reads the worker, a run is
 * decided, a run is finished) and with what its jobs hold. Of the manager itself nothing is there.
 */
export const promisedTwoStage = twoStage('two-stage with our commands (limit)', async (client) => {
  const store = new Store(client, new Keys('floor'), () => {})
  const instanceId = randomUUID()
  return {
    tick: async (worker, slot, addRun) => {
      const { paused, decidedUpTo, startedUpTo } = await store.read(worker, TICK_FIELDS)
      if (paused) return
      await addRun({ worker, kind: 'scheduled', slot, missedSlots: 0, seen: { decidedUpTo, startedUpTo } })
    },
    run: async ({ id, data: { worker, slot, seen } }, work) => {
      const startedAt = new Date()
      const started: RunRecord = {
        runId: id as string,
        worker,
        kind: 'scheduled',
        scheduledFor: new Date(slot),
        startedAt,
        lateByMs: startedAt.getTime() - slot,
        missedSlots: 0,
        attempts: 1,
        instanceId,
      }
      const token = `default/${id}`
      const marks = { slot, decidedBefore: seen.decidedUpTo, startedBefore: seen.startedUpTo, declaredVersion: '0' }
      const decision = await store.decideRun(started, { token, ...marks, keepRuns: KEEP_RUNS, isRecovery: false })
      if (typeof decision !== 'object') return
      await work(worker, slot)
      const finished: RunRecord = { ...started, finishedAt: new Date(), durationMs: 0, outcome: 'succeeded' }
      await store.finishRun(finished, token, KEEP_RUNS, true)
    },
  }
})

/** How many records of a worker are kept. */
const KEEP_RUNS = 100

/** A run starts only when no later slot has, and its record is one of the last 100. Gives 1 when it may. */
const decideRun = `
local name, slot = ARGV[1], ARGV[2]
local marks = redis.call('HMGET', KEYS[1], 'pause:' .. name, 'started:' .. name)
if marks[1] or tonumber(marks[2] or 0) >= tonumber(slot) then return 0 end
redis.call('HSET', KEYS[1], 'started:' .. name, slot, 'active:' .. name, ARGV[3])
redis.call('HSET', KEYS[2], slot, ARGV[3])
if redis.call('ZADD', KEYS[3], ARGV[4], slot) == 1 and redis.call('ZCARD', KEYS[3]) > 100 then
  redis.call('HDEL', KEYS[2], redis.call('ZPOPMIN', KEYS[3])[1])
end
return 1
`

/** The record has its outcome, and the worker its last run, if the run is still the active one. */
const finishRun = `
local name, slot = ARGV[1], ARGV[2]
if not redis.call('HGET', KEYS[1], 'active:' .. name) then return 0 end
redis.call('HSET', KEYS[2], slot, ARGV[3])
redis.call('HSET', KEYS[1], 'last:' .. name, ARGV[3])
redis.call('HDEL', KEYS[1], 'active:' .. name)
return 1
`

/** What becomes of a tick and of its run. */
interface TwoStages {
  readonly tick: (name: string, slot: number, addRun: (data?: unknown) => Promise<unknown>) => Promise<unknown>
  readonly run: (run: Job, work: (name: string, slot: number) => Promise<void>) => Promise<void>
}

function twoStage(name: string, stagesOn: (client: Redis) => Promise<TwoStages>): RedisContestant {
  return {
    name,
    open: async (jobs, { url, work }) => {
      const { bullmq, createClient } = await load()
      let client: Redis
      let open: (Queue | Worker)[]
      return {
        start: async () => {
          client = createClient(url)
          const { tick, run } = await stagesOn(client)
          const options = { connection: client as never, concurrency: CONCURRENCY }
          const ticks = new bullmq.Queue('ticks', options)
          const runs = new bullmq.Queue('runs', options)
          await inParallel(jobs, 25, (job) => upsert(ticks, job))
          const processTick = async (job: Job) => {
            const [worker, slot] = readTick(job)
            const opts = { jobId: `${worker}.${slot}`, deduplication: { id: worker }, removeOnComplete: true }
            await tick(worker, slot, (data: unknown = { slot }) => runs.add(worker, data, opts))
          }
          const tickWorker = new bullmq.Worker('ticks', processTick, options)
          const runWorker = new bullmq.Worker('runs', (job) => run(job, work), options)
          open = [tickWorker, runWorker, ticks, runs]
          await Promise.all(open.map((object) => object.waitUntilReady()))
        },
        stop: async () => {
          for (const object of open) await object.close()
          client.disconnect()
        },
      }
    },
  }
}

/**
 * A limit, not a peer: a start that upserts only the jobs whose text in a hash has changed or whose scheduler is gone. Nothing is
 * checked or repaired, and nobody else may start meanwhile.
 */
export const compareFirst = rawContestant('compare first (limit)', async (queue, client, jobs) => {
  const [known, names] = await Promise.all([client.hgetall('jobs'), client.zrange(queue.toKey('repeat'), '0', '-1')])
  const schedulers = new Set(names)
  const texts = jobs.map((job) => [job, JSON.stringify(job)] as const)
  const changed = texts.filter(([{ name }, text]) => known[name] !== text || !schedulers.has(name))
  await inParallel(changed, 25, ([job]) => upsert(queue, job))
  if (changed.length > 0) await client.hset('jobs', new Map(changed.map(([{ name }, text]) => [name, text])))
})

/**
 * The floor of a start that keeps the promises, not a peer: each worker is checked, added once and started, Redis is checked and asked
 * for its time, the instance says which workers it has and that it lives, and sees which others live, and each definition, its mark,
 * the template of its scheduler and its pending job are looked at. What is stored is kept, for the runs and for a Redis that is
 * emptied, and what is wrong with it is found: workers that fail, are overdue or were active. Nothing is repaired but by writing it
 * anew, and nothing is announced.
 */
export const startFloor: RedisContestant = {
  name: 'floor of a start',
  open: async (jobs, { url, work }) => {
    const { bullmq, createClient } = await load()
    const { AsyncPeriodicBackgroundWorkerBase, cron, every } = await installed<Abstractions>(
      '@background-workers/abstractions',
    )
    let client: Redis
    let queue: Queue | undefined
    let open: Worker[]

    class JobWorker extends AsyncPeriodicBackgroundWorkerBase {
      readonly name: string
      readonly schedule: Schedule

      constructor({ name, schedule }: RedisJob) {
        super()
        this.name = name
        this.schedule =
          'cron' in schedule ? cron(schedule.cron) : every(schedule.everyMs, { offset: schedule.offsetMs })
      }

      async doWork(): Promise<void> {}
    }

    return {
      start: async () => {
        const entries = new Map<
          string,
          { readonly worker: JobWorker; readonly text: string; isReady?: boolean; error?: unknown }
        >()
        const add = async (worker: JobWorker) => {
          const { name, schedule } = worker
          if (!NAME.test(name) || entries.has(name)) throw new Error(`The name ${name} is wrong.`)
          entries.set(name, { worker, text: JSON.stringify({ schedule, policy: POLICY }) })
        }
        for (const job of jobs) await add(new JobWorker(job))
        client = createClient(url)
        const [time] = await Promise.all([client.time(), client.info(), client.hget('meta', 'version')])
        const now = Number(time[0]) * 1_000
        const [beats] = await Promise.all([
          client.hgetall('beats'),
          client.hset('instances', 'this', JSON.stringify([...entries.keys()])),
          client.hset('beats', 'this', now),
        ])
        const isElsewhere = Object.entries(beats).some(([id, at]) => id !== 'this' && now - Number(at) < 30_000)
        const [flat, answer] = await Promise.all([
          client.call('HGETALL', 'workers') as Promise<string[]>,
          client.eval(READ_SCHEDULERS, 1, 'bull:ticks:repeat') as Promise<string>,
        ])
        const known = byName(flat)
        const schedulers = byId(JSON.parse(answer))
        const wrong = [...known].filter(([name, { definition, pause, failures, active }]) => {
          if (definition === undefined) return false
          const isOverdue = now - (schedulers.get(name)?.dueAt ?? now) > 10_000
          return (
            pause !== undefined || !entries.has(name) || Number(failures ?? 0) >= 3 || isOverdue || active !== undefined
          )
        })
        const changed = jobs.filter((job) => {
          const { definition, decided } = known.get(job.name) ?? {}
          const isDeclared = definition === entries.get(job.name)?.text
          return !isDeclared || !Number.isFinite(Number(decided)) || schedulers.get(job.name)?.data !== templateOf(job)
        })
        if (changed.length > 0) {
          queue = new bullmq.Queue('ticks', { connection: client as never })
          await inParallel(changed, 25, (job) => upsert(queue as Queue, job, templateOf(job)))
        }
        const written = changed.flatMap(({ name }) => [
          [`definition:${name}`, entries.get(name)?.text as string] as const,
          [`decided:${name}`, String(Date.now())] as const,
        ])
        if (written.length > 0) await client.hset('workers', new Map(written))
        for (const entry of entries.values()) {
          entry.worker.start().then(
            () => {
              entry.isReady = true
            },
            (error: unknown) => {
              entry.error = error
            },
          )
        }
        const options = { connection: client as never, concurrency: CONCURRENCY }
        const ticks = new bullmq.Worker('ticks', (tick) => work(...readTick(tick)), options)
        const runs = new bullmq.Worker('runs', (run) => work(run.name, run.data.slot), options)
        open = [ticks, runs]
        if (wrong.length > 0 || isElsewhere) throw new Error(`${wrong.length} workers are not as they should be.`)
      },
      stop: async () => {
        await Promise.all(open.map((object) => object.waitUntilReady()))
        for (const object of open) await object.close()
        await queue?.close()
        client.disconnect()
      },
    }
  },
}

/** What is stored of each worker besides its schedule. */
const POLICY = {
  runOnStart: false,
  misfire: 'run-once',
  jitterMs: 0,
  keepRuns: KEEP_RUNS,
  onCrash: 'next-slot',
  queue: 'default',
}

const NAME = /^[a-z0-9][a-z0-9._-]{0,99}$/

/** What is stored of a worker: each field by its name. */
type StoredFields = Readonly<Partial<Record<string, string>>>

/** `<field>:<name>`, value, `<field>:<name>`, … */
function byName(flat: readonly string[]): ReadonlyMap<string, StoredFields> {
  const known = new Map<string, Record<string, string>>()
  for (let index = 0; index + 1 < flat.length; index += 2) {
    const key = flat[index] as string
    const colon = key.indexOf(':')
    const name = key.slice(colon + 1)
    let fields = known.get(name)
    if (!fields) {
      if (!NAME.test(name)) continue
      fields = {}
      known.set(name, fields)
    }
    fields[key.slice(0, colon)] = flat[index + 1] as string
  }
  return known
}

/** Of each scheduler: id, when it is due, the template's data, id, …; nothing of those whose pending jobs are not all there. */
const READ_SCHEDULERS = `
local answer, jobs = {}, {}
local entries = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
for i = 1, #entries, 2 do
  local key = KEYS[1] .. ':' .. entries[i]
  local n = #jobs * 3
  answer[n + 1] = entries[i]
  answer[n + 2] = entries[i + 1]
  answer[n + 3] = redis.call('HGET', key, 'data') or ''
  jobs[#jobs + 1] = key .. ':' .. entries[i + 1]
end
for from = 1, #jobs, 1000 do
  local to = math.min(from + 999, #jobs)
  if redis.call('EXISTS', unpack(jobs, from, to)) <= to - from then return '[]' end
end
return #answer == 0 and '[]' or cjson.encode(answer)
`

function templateOf({ schedule }: RedisJob): string {
  return JSON.stringify(schedule)
}

function byId(flat: readonly string[]): Map<string, { readonly dueAt: number; readonly data: string }> {
  const schedulers = new Map<string, { readonly dueAt: number; readonly data: string }>()
  for (let index = 0; index + 2 < flat.length; index += 3) {
    schedulers.set(flat[index] as string, { dueAt: Number(flat[index + 1]), data: flat[index + 2] as string })
  }
  return schedulers
}

async function load() {
  const bullmq: BullMq = await import('bullmq')
  const { Redis } = await import('ioredis')
  return { bullmq, createClient: (url: string) => new Redis(url, { maxRetriesPerRequest: null }) }
}

function upsertAll(atATime: number): Declare {
  return (queue, _client, jobs) => inParallel(jobs, atATime, (job) => upsert(queue, job))
}

function upsert(queue: Queue, { name, schedule }: RedisJob, data?: string): Promise<unknown> {
  const repeat =
    'cron' in schedule ? { pattern: schedule.cron, tz: 'UTC' } : { every: schedule.everyMs, offset: schedule.offsetMs }
  const template = data === undefined ? { name } : { name, data: JSON.parse(data) }
  return queue.upsertJobScheduler(name, repeat, { ...template, opts: { removeOnComplete: true } })
}

/** `repeat:<name>:<slot>` */
function readTick(job: Job): [name: string, slot: number] {
  const [, name, slot] = (job.id as string).split(':')
  return [name as string, Number(slot)]
}

async function inParallel<T>(items: readonly T[], atATime: number, use: (item: T) => Promise<unknown>): Promise<void> {
  const rest = items.values()
  const takeOneByOne = async () => {
    for (const item of rest) await use(item)
  }
  await Promise.all(Array.from({ length: Math.min(atATime, items.length) }, takeOneByOne))
}
