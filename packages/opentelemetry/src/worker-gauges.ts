import type { Clock, IBackgroundWorkerManager, WorkerState, WorkerStatus } from '@background-workers/abstractions'
import type { Attributes, BatchObservableResult, Meter, Observable } from '@opentelemetry/api'
import { WORKER_NAME, WORKER_STATE } from './attributes.ts'
import { reportFailure } from './report-failure.ts'

/** What the gauges are made with, and of. */
export interface WorkerGaugesParts {
  readonly common: Attributes
  readonly isOurs: (instanceId: string) => boolean
  readonly clock: Pick<Clock, 'now'>
}

/** Of so many removed workers it is told again that they are gone. Of 2,000 series, the SDK has no place for more. */
export const MAX_GONE = 1_000

/** What is remembered of a worker that has been observed. */
interface ObservedWorker {
  readonly states: Set<WorkerState>
  /** Since when it has been observed with a schedule; `undefined` while it has none, or is gone. */
  firstSeenAtMs: number | undefined
  /** Whether it has had a schedule, and so has the series of one. */
  wasPeriodic: boolean
}

/**
 * Observes how the workers of a manager stand, with one `list` per collection. Nothing is observed while `list` fails.
 *
 * The SDK repeats the last value of what is not observed any more. So a state that is over goes to 0, and so does all of a
 * worker that was removed: it is told again, since a collection that takes too long is lost. One that is added again is a new one.
 */
export class WorkerGauges {
  readonly #manager: IBackgroundWorkerManager
  readonly #meter: Meter
  readonly #parts: WorkerGaugesParts
  readonly #workers: Observable
  readonly #active: Observable
  readonly #consecutiveFailures: Observable
  readonly #timeSinceLastSuccess: Observable
  readonly #observed = new Map<string, ObservedWorker>()

  constructor(manager: IBackgroundWorkerManager, meter: Meter, parts: WorkerGaugesParts) {
    this.#manager = manager
    this.#meter = meter
    this.#parts = parts
    this.#workers = meter.createObservableUpDownCounter('background_workers.workers', {
      description: 'Workers by state: 1 for the state that a worker is in.',
      unit: '{worker}',
    })
    this.#active = meter.createObservableUpDownCounter('background_workers.run.active', {
      description: 'Runs of this instance whose doWork has not settled, those that were aborted included.',
      unit: '{run}',
    })
    this.#consecutiveFailures = meter.createObservableGauge('background_workers.worker.consecutive_failures', {
      description: 'How many runs in a row ended failed or lost.',
      unit: '{run}',
    })
    this.#timeSinceLastSuccess = meter.createObservableGauge('background_workers.worker.time_since_last_success', {
      description: 'Time since a run succeeded; before the first success, since the worker was first observed.',
      unit: 's',
    })
    meter.addBatchObservableCallback(this.#observe, this.#observables)
  }

  dispose(): void {
    this.#meter.removeBatchObservableCallback(this.#observe, this.#observables)
  }

  get #observables(): Observable[] {
    return [this.#workers, this.#active, this.#consecutiveFailures, this.#timeSinceLastSuccess]
  }

  readonly #observe = async (result: BatchObservableResult) => {
    try {
      const statuses = await this.#manager.list()
      const gone = new Set(this.#observed.keys())
      for (const status of statuses) {
        gone.delete(status.name)
        this.#observeWorker(result, status)
      }
      for (const name of gone) this.#observeGone(result, name)
      for (const name of [...gone].slice(0, -MAX_GONE)) this.#observed.delete(name)
    } catch (error) {
      reportFailure(error)
    }
  }

  #observeWorker(result: BatchObservableResult, status: WorkerStatus): void {
    const { name, state, schedule } = status
    const worker = this.#observedWorker(name)
    worker.states.add(state)
    this.#observeStates(result, name, state)
    if (schedule) this.#observePeriodic(result, status, worker)
    else this.#observeNotPeriodic(result, name)
  }

  #observePeriodic(result: BatchObservableResult, status: WorkerStatus, worker: ObservedWorker): void {
    const { name, activeRun, lastSuccess } = status
    const { isOurs, clock } = this.#parts
    worker.wasPeriodic = true
    worker.firstSeenAtMs ??= clock.now()
    const attributes = this.#attributesOf(name)
    const isActiveHere = activeRun?.startedAt !== undefined && isOurs(activeRun.instanceId)
    result.observe(this.#active, isActiveHere ? 1 : 0, attributes)
    result.observe(this.#consecutiveFailures, status.consecutiveFailures, attributes)
    const sinceMs = lastSuccess?.finishedAt?.getTime() ?? worker.firstSeenAtMs
    result.observe(this.#timeSinceLastSuccess, Math.max(0, clock.now() - sinceMs) / 1_000, attributes)
  }

  #observeStates(result: BatchObservableResult, name: string, current: WorkerState | undefined): void {
    for (const state of this.#observed.get(name)?.states ?? []) {
      const attributes = { ...this.#attributesOf(name), [WORKER_STATE]: state }
      result.observe(this.#workers, state === current ? 1 : 0, attributes)
    }
  }

  #observeGone(result: BatchObservableResult, name: string): void {
    this.#observeStates(result, name, undefined)
    this.#observeNotPeriodic(result, name)
  }

  #observeNotPeriodic(result: BatchObservableResult, name: string): void {
    const worker = this.#observed.get(name)
    if (!worker?.wasPeriodic) return
    worker.firstSeenAtMs = undefined
    for (const observable of [this.#active, this.#consecutiveFailures, this.#timeSinceLastSuccess]) {
      result.observe(observable, 0, this.#attributesOf(name))
    }
  }

  #observedWorker(name: string): ObservedWorker {
    const known = this.#observed.get(name)
    if (known) return known
    // So that there is a series to alert on before the first time.
    const states = new Set<WorkerState>(['overdue'])
    const worker: ObservedWorker = { states, firstSeenAtMs: undefined, wasPeriodic: false }
    this.#observed.set(name, worker)
    return worker
  }

  #attributesOf(worker: string): Attributes {
    return { ...this.#parts.common, [WORKER_NAME]: worker }
  }
}
