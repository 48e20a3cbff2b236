import type {
  IBackgroundWorker,
  IPeriodicBackgroundWorker,
  PauseInfo,
  ScheduleOverride,
} from '@background-workers/abstractions'
import type { Periodic, RunPlan, WorkerDefinition, WorkerStarter } from '@background-workers/abstractions/for-managers'
import { RunHistory } from './run-history.ts'
import type { Appointment } from './timetable.ts'

/** What the manager keeps of a worker. It is its own entry in the timetable. */
export class ManagedWorker implements Appointment {
  readonly worker: IBackgroundWorker
  readonly definition: WorkerDefinition
  readonly starter: WorkerStarter
  override: ScheduleOverride | undefined
  paused: PauseInfo | undefined
  /** Whether it is still the manager's: another may have been added under its name meanwhile. */
  isAdded = true
  dueAt: number | undefined
  heapIndex = -1
  #history: RunHistory | undefined
  #work: RunPlan['worker'] | undefined

  constructor(worker: IBackgroundWorker, definition: WorkerDefinition, starter: WorkerStarter, history?: RunHistory) {
    this.worker = worker
    this.definition = definition
    this.starter = starter
    this.#history = history
  }

  get name(): string {
    return this.definition.name
  }

  /** What a run takes of it. */
  get work(): RunPlan['worker'] {
    const { name } = this
    const worker = this.worker as IPeriodicBackgroundWorker
    this.#work ??= { name, doWork: (context) => worker.doWork(context) }
    return this.#work
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
