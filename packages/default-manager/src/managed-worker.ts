import type {
  IPeriodicBackgroundWorker,
  PauseInfo,
  PeriodicBackgroundWorkerContext,
  ScheduleOverride,
} from '@background-workers/abstractions'
import type { Periodic, WorkerEntry } from '@background-workers/abstractions/for-managers'
import type { Place } from './active-work.ts'
import { RunHistory } from './run-history.ts'
import type { Appointment } from './timetable.ts'

/** What the manager keeps of a worker. It is its own entry in the timetable, and what its runs call. */
export class ManagedWorker implements WorkerEntry, Appointment {
  readonly worker: WorkerEntry['worker']
  readonly definition: WorkerEntry['definition']
  startState: WorkerEntry['startState'] = 'stopped'
  override: ScheduleOverride | undefined
  paused: PauseInfo | undefined
  /** Whether it is still the manager's: another may have been added under its name meanwhile. */
  isAdded = true
  dueAt: number | undefined
  heapIndex = -1
  /** Its place in the guard, since it has first been active. */
  place: Place | undefined
  #history: RunHistory | undefined

  constructor(worker: WorkerEntry['worker'], definition: WorkerEntry['definition'], history?: RunHistory) {
    this.worker = worker
    this.definition = definition
    this.#history = history
  }

  get name(): string {
    return this.definition.name
  }

  doWork(context: PeriodicBackgroundWorkerContext): Promise<void> {
    return (this.worker as IPeriodicBackgroundWorker).doWork(context)
  }

  /** Made at the first record. */
  get history(): RunHistory {
    this.#history ??= new RunHistory()
    return this.#history
  }

  get hasHistory(): boolean {
    return this.#history !== undefined
  }
}

/** One with a schedule. */
export type ManagedPeriodicWorker = Periodic<ManagedWorker>
