import { Heap } from './binary-heap.ts'
import { type Job, type MemoryContestant, periodOf } from './memory-contestant.ts'

const NO_POLICY = Object.freeze({})

/**
 * A limit, not a peer: what the contract promises of adding a worker, as directly as it can be written, on the binary heap. Its
 * name, schedule and policy are checked, its name is looked up, its offset is hashed from its name, `add` gives a promise, and
 * what a control call needs is kept. (No logger, no events, no start and stop of its own, no health.)
 */
export const checkedAdd: MemoryContestant = {
  name: 'checked add (limit)',
  open: async (jobs) => {
    const workers = jobs.map((job) => new Worker(job))
    const entries = new Map<string, Entry>()
    const heap = new Heap()
    const add = async (worker: Worker) => {
      const entry = checked(worker)
      if (entries.has(entry.name)) throw new Error(`There are two of the name ${entry.name}.`)
      entries.set(entry.name, entry)
    }
    return {
      start: async () => {
        for (const worker of workers) await add(worker)
        for (const entry of entries.values()) heap.add(scheduled(entry, Date.now()))
        heap.arm()
      },
      stop: () => heap.close(),
    }
  },
}

class Worker {
  readonly name: string
  readonly schedule: { readonly kind: string; readonly periodMs: number }
  readonly policy = NO_POLICY
  readonly doWork: () => Promise<void>

  constructor(job: Job) {
    this.name = job.name
    this.schedule = { kind: 'every', periodMs: periodOf(job) }
    this.doWork = job.work
  }

  async start(): Promise<void> {}

  async stop(): Promise<void> {}
}

/** What is kept of a worker: by its fields it can be paused, rescheduled and removed. */
interface Entry {
  readonly worker: Worker
  readonly name: string
  readonly due: () => void
  readonly periodMs: number
  dueAt: number
  paused: object | undefined
  override: object | undefined
  isAdded: boolean
}

function checked(worker: Worker): Entry {
  const { name, schedule, policy } = worker
  if (!/^[a-z0-9][a-z0-9._-]{0,99}$/.test(name)) throw new Error('The name is wrong.')
  if (typeof worker.start !== 'function' || typeof worker.stop !== 'function' || typeof worker.doWork !== 'function')
    throw new Error('A method is missing.')
  const { kind, periodMs } = schedule
  if (kind !== 'every' || !Number.isInteger(periodMs) || periodMs < 1) throw new Error('The schedule is wrong.')
  if (policy !== NO_POLICY) throw new Error('The policy is not known.')
  const due = () => void worker.doWork()
  return { worker, name, due, periodMs, dueAt: 0, paused: undefined, override: undefined, isAdded: true }
}

function scheduled(entry: Entry, now: number): Entry {
  const offsetMs = hash(entry.name) % entry.periodMs
  entry.dueAt = (Math.floor((now - offsetMs) / entry.periodMs) + 1) * entry.periodMs + offsetMs
  return entry
}

function hash(text: string): number {
  let result = 0x811c9dc5
  for (let index = 0; index < text.length; index++) result = Math.imul(result ^ text.charCodeAt(index), 0x01000193)
  return result >>> 0
}
