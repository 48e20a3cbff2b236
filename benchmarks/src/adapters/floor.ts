import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks'
import type { AwilixContainer } from 'awilix'
import type { Logger } from 'pino'
import { Heap } from './binary-heap.ts'
import { type Job, type MemoryContestant, periodOf } from './memory-contestant.ts'

/** What every run is promised, and then what a worker may use: each floor does this and all that stands before it. */
const STEPS = [
  'an awaited call',
  '+ the guard',
  '+ the clock',
  '+ the record',
  '+ run and context',
  '+ the calling run',
  '+ the slot',
  '+ an awilix scope',
  '+ a signal',
  '+ a logger',
] as const
type Step = (typeof STEPS)[number]

/** The names of the floors, the lowest first. */
export const FLOORS: readonly string[] = STEPS.map(nameOf)

/**
 * Limits, not peers: they do, as directly as it can be written, what the contract promises of a run and nothing else (no
 * other schedules, no events, no stop). Nothing that keeps the promises costs less. One bare timer calls the workers,
 * spread over the period as those of the default manager are.
 */
export const floors: readonly MemoryContestant[] = STEPS.map((step, last) => ({
  name: nameOf(step),
  open: async (jobs) => {
    const { asFunction, createContainer } = await import('awilix')
    const { pino } = await import('pino')
    const logger = pino({ level: 'info' }, { write() {} })
    const container = createContainer()
    container.register({ repository: asFunction(() => ({})).scoped() })
    const does = (other: Step) => STEPS.indexOf(other) <= last
    const workers = jobs.map((job) => new FloorWorker(job, does, { container, logger }))
    const periodMs = periodOf(jobs[0] as Job)
    return does('+ the slot') ? timed(workers, periodMs) : spread(workers, periodMs)
  },
}))

function nameOf(step: Step): string {
  return `floor: ${step}`
}

/** How far from each other workers are called, in ms: as far as those of the default manager. */
function stepOf(periodMs: number): number {
  return periodMs < 100 ? 1 : 10
}

/** The n-th is called at each n-th step of the period. */
function spread(workers: readonly FloorWorker[], periodMs: number) {
  const stepMs = stepOf(periodMs)
  const steps = periodMs / stepMs
  const groups = Array.from({ length: steps }, (_, step) => workers.filter((_, index) => index % steps === step))
  let timer: NodeJS.Timeout
  let next = Math.ceil(Date.now() / stepMs)
  const ring = () => {
    const now = Math.floor(Date.now() / stepMs)
    next = Math.max(next, now - steps + 1)
    // One for all: `AsyncLocalStorage.run` would make a map to come back to for each.
    const context = new AsyncResource('ring')
    for (; next <= now; next++) {
      const dueAt = next * stepMs
      for (const worker of groups[next % steps] as FloorWorker[]) worker.run(context, dueAt, dueAt + periodMs)
    }
    timer = setTimeout(ring, next * stepMs - Date.now())
  }
  return { start: ring, stop: () => clearTimeout(timer) }
}

/** The same, in the order of a timetable. */
function timed(workers: readonly FloorWorker[], periodMs: number) {
  let context = new AsyncResource('ring')
  let ringMs = 0
  const heap = new Heap()
  const now = Date.now()
  workers.forEach((worker, index) => {
    const due = (dueAt: number) => {
      if (ringMs !== dueAt) context = new AsyncResource('ring')
      ringMs = dueAt
      worker.run(context, dueAt, dueAt + periodMs)
    }
    heap.add({ due, periodMs, dueAt: now + ((index * stepOf(periodMs)) % periodMs) })
  })
  return { start: () => heap.arm(), stop: () => heap.close() }
}

const callingRun = new AsyncLocalStorage<FloorRun>()

/** What a run's services and logger are made of. */
interface Given {
  readonly container: AwilixContainer
  readonly logger: Logger
}

/** Records are numbers, as those of the default manager are, of the last 100 runs: slot, start, end, duration, lateness, number. */
const RECORD_WIDTH = 6
const RECORDS_KEPT = 100

class FloorWorker {
  readonly #job: Job
  readonly #given: Given
  readonly #has: Readonly<
    Record<'guard' | 'clock' | 'record' | 'context' | 'calling' | 'slot' | 'scope' | 'signal' | 'logger', boolean>
  >
  readonly #records: number[] = []
  #recorded = 0
  #isActive = false
  #isPaused = false
  #failures = 0
  #isUnhealthy = false

  constructor(job: Job, does: (step: Step) => boolean, given: Given) {
    this.#job = job
    this.#given = given
    this.#has = {
      guard: does('+ the guard'),
      clock: does('+ the clock'),
      record: does('+ the record'),
      context: does('+ run and context'),
      calling: does('+ the calling run'),
      slot: does('+ the slot'),
      scope: does('+ an awilix scope'),
      signal: does('+ a signal'),
      logger: does('+ a logger'),
    }
  }

  run(context: AsyncResource, dueAt: number, nextDueAt: number): void {
    if (this.#has.guard) {
      if (this.#isActive) return
      this.#isActive = true
    }
    const startedAt = this.#has.clock ? Date.now() : 0
    if (this.#has.slot && !this.#runs(dueAt, nextDueAt, startedAt)) return
    const run = this.#has.context ? new FloorRun(this.#job, this.#given, dueAt) : undefined
    if (run && this.#has.calling) {
      context.runInAsyncScope(() => {
        callingRun.enterWith(run)
        void this.#attempt(run, dueAt, startedAt)
      })
    } else {
      void this.#attempt(run, dueAt, startedAt)
    }
  }

  /** What is decided of a slot: whether it is due, not paused, and not too late; and whether all is well with it. */
  #runs(dueAt: number, nextDueAt: number, now: number): boolean {
    this.#isUnhealthy = now - nextDueAt > 10_000 || this.#failures >= 3
    const isInWindow = now >= dueAt && now - dueAt <= Math.max(1, (nextDueAt - dueAt) / 2)
    if (isInWindow && !this.#isPaused) return true
    this.#isActive = false
    return false
  }

  async #attempt(run: FloorRun | undefined, dueAt: number, startedAt: number): Promise<void> {
    const startedAtMonotonic = this.#has.clock ? performance.now() : 0
    try {
      if (this.#has.scope) run?.context.services.resolve('repository')
      if (this.#has.signal) run?.context.signal.throwIfAborted()
      if (this.#has.logger) run?.context.logger.debug('working')
      await this.#job.work()
    } catch (error) {
      this.#failures++
      console.error(error)
    }
    if (this.#has.scope) await run?.end()
    const durationMs = this.#has.clock ? performance.now() - startedAtMonotonic : 0
    const finishedAt = this.#has.clock ? Date.now() : 0
    if (this.#has.record) this.#keep(dueAt, startedAt, finishedAt, durationMs)
    if (this.#isUnhealthy) this.#isUnhealthy = false
    this.#isActive = false
  }

  #keep(dueAt: number, startedAt: number, finishedAt: number, durationMs: number): void {
    const at = (this.#recorded++ % RECORDS_KEPT) * RECORD_WIDTH
    this.#records[at] = dueAt
    this.#records[at + 1] = startedAt
    this.#records[at + 2] = finishedAt
    this.#records[at + 3] = durationMs
    this.#records[at + 4] = startedAt - dueAt
    this.#records[at + 5] = this.#recorded
  }
}

class FloorRun {
  readonly context: FloorContext

  constructor(job: Job, given: Given, dueAt: number) {
    this.context = new FloorContext(job, given, dueAt)
  }

  end(): Promise<void> {
    return this.context.services.dispose()
  }
}

/** What is not used is not made, as with ours. */
class FloorContext {
  readonly workerName: string
  readonly #given: Given
  readonly #dueAt: number
  #scope: AwilixContainer | undefined
  #controller: AbortController | undefined
  #logger: FloorLogger | undefined

  constructor(job: Job, given: Given, dueAt: number) {
    this.workerName = job.name
    this.#given = given
    this.#dueAt = dueAt
  }

  get services(): AwilixContainer {
    this.#scope ??= this.#given.container.createScope()
    return this.#scope
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    return this.#controller.signal
  }

  get logger(): FloorLogger {
    this.#logger ??= new FloorLogger(this.#given.logger, {
      worker: this.workerName,
      runId: `${this.workerName}.${this.#dueAt}`,
      scheduledFor: new Date(this.#dueAt),
    })
    return this.#logger
  }
}

/** A line of a run says whose it is; a child logger is made with the first that is written. */
class FloorLogger {
  readonly #parent: Logger
  readonly #bindings: object
  #child: Logger | undefined

  constructor(parent: Logger, bindings: object) {
    this.#parent = parent
    this.#bindings = bindings
  }

  debug(message: string): void {
    if (!this.#parent.isLevelEnabled('debug')) return
    this.#child ??= this.#parent.child(this.#bindings)
    this.#child.debug(message)
  }
}
