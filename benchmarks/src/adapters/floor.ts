import { AsyncLocalStorage } from 'node:async_hooks'
import type { AwilixContainer } from 'awilix'
import { type Job, type MemoryContestant, periodOf } from './memory-contestant.ts'

/** What every run is promised, and then what a worker may use: each floor does this and all that stands before it. */
const STEPS = [
  'an awaited call',
  '+ the guard',
  '+ the clock',
  '+ the record',
  '+ run and context',
  '+ the calling run',
  '+ an awilix scope',
  '+ a signal',
] as const
type Step = (typeof STEPS)[number]

/** The names of the floors, the lowest first. */
export const FLOORS: readonly string[] = STEPS.map(nameOf)

/**
 * Limits, not peers: they do, as directly as it can be written, what the contract promises of a run and nothing else (no
 * schedules, no events, no health, no stop). Nothing that keeps the promises costs less. One bare timer calls the workers,
 * spread over the period as those of the default manager are.
 */
export const floors: readonly MemoryContestant[] = STEPS.map((step, last) => ({
  name: nameOf(step),
  open: async (jobs) => {
    const { asFunction, createContainer } = await import('awilix')
    const container = createContainer()
    container.register({ repository: asFunction(() => ({})).scoped() })
    const does = (other: Step) => STEPS.indexOf(other) <= last
    const workers = jobs.map((job) => new FloorWorker(job, does, container))
    return spread(workers, periodOf(jobs[0] as Job))
  },
}))

function nameOf(step: Step): string {
  return `floor: ${step}`
}

/** The n-th is called at each n-th millisecond of the period. */
function spread(workers: readonly FloorWorker[], periodMs: number) {
  const groups = Array.from({ length: periodMs }, (_, ms) => workers.filter((_, index) => index % periodMs === ms))
  let timer: NodeJS.Timeout
  let next = Date.now()
  const ring = () => {
    const now = Date.now()
    next = Math.max(next, now - periodMs + 1)
    for (; next <= now; next++) for (const worker of groups[next % periodMs] as FloorWorker[]) void worker.run()
    timer = setTimeout(ring, 1)
  }
  return { start: ring, stop: () => clearTimeout(timer) }
}

const callingRun = new AsyncLocalStorage<FloorRun>()

/** Records are numbers, as those of the default manager are: when, how late and how long, of the last 100 runs. */
const RECORD_WIDTH = 4
const RECORDS_KEPT = 100

class FloorWorker {
  readonly #job: Job
  readonly #container: AwilixContainer
  readonly #has: Readonly<Record<'guard' | 'clock' | 'record' | 'context' | 'calling' | 'scope' | 'signal', boolean>>
  readonly #records: number[] = []
  #recorded = 0
  #isActive = false

  constructor(job: Job, does: (step: Step) => boolean, container: AwilixContainer) {
    this.#job = job
    this.#container = container
    this.#has = {
      guard: does('+ the guard'),
      clock: does('+ the clock'),
      record: does('+ the record'),
      context: does('+ run and context'),
      calling: does('+ the calling run'),
      scope: does('+ an awilix scope'),
      signal: does('+ a signal'),
    }
  }

  run(): Promise<void> | undefined {
    if (this.#has.guard) {
      if (this.#isActive) return undefined
      this.#isActive = true
    }
    const run = this.#has.context ? new FloorRun(this.#job, this.#container) : undefined
    return run && this.#has.calling ? callingRun.run(run, () => this.#attempt(run)) : this.#attempt(run)
  }

  async #attempt(run: FloorRun | undefined): Promise<void> {
    const startedAt = this.#has.clock ? Date.now() : 0
    const startedAtMonotonic = this.#has.clock ? performance.now() : 0
    try {
      if (this.#has.scope) run?.context.services.resolve('repository')
      if (this.#has.signal) run?.context.signal.throwIfAborted()
      await this.#job.work()
    } catch (error) {
      console.error(error)
    }
    if (this.#has.scope) await run?.end()
    const durationMs = this.#has.clock ? performance.now() - startedAtMonotonic : 0
    const finishedAt = this.#has.clock ? Date.now() : 0
    if (this.#has.record) this.#keep(startedAt, finishedAt, durationMs)
    this.#isActive = false
  }

  #keep(startedAt: number, finishedAt: number, durationMs: number): void {
    const at = (this.#recorded++ % RECORDS_KEPT) * RECORD_WIDTH
    this.#records[at] = startedAt
    this.#records[at + 1] = finishedAt
    this.#records[at + 2] = durationMs
    this.#records[at + 3] = this.#recorded
  }
}

class FloorRun {
  readonly context: FloorContext

  constructor(job: Job, container: AwilixContainer) {
    this.context = new FloorContext(job, container)
  }

  end(): Promise<void> {
    return this.context.services.dispose()
  }
}

/** What is not used is not made, as with ours. */
class FloorContext {
  readonly workerName: string
  readonly #container: AwilixContainer
  #scope: AwilixContainer | undefined
  #controller: AbortController | undefined

  constructor(job: Job, container: AwilixContainer) {
    this.workerName = job.name
    this.#container = container
  }

  get services(): AwilixContainer {
    this.#scope ??= this.#container.createScope()
    return this.#scope
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    return this.#controller.signal
  }
}
