import {
  BackgroundWorkerError,
  type IBackgroundWorkerManager,
  type Schedule,
  type WorkerStatus,
  cron,
  every,
} from '@background-workers/abstractions'
import type { DashboardAction } from './authorize.ts'

/** What an operation works on. */
interface OperationCall {
  readonly manager: IBackgroundWorkerManager
  readonly worker: WorkerStatus
  readonly form: URLSearchParams
  readonly by: string
}

/** Something that an operator can do with a worker. */
export interface Operation {
  /** What `authorize` is asked for. */
  readonly action: DashboardAction
  readonly label: string
  /** What a page says when it is done. */
  readonly done: string
  /** What it will do, before it is confirmed. */
  readonly explanation: string
  readonly isDangerous: boolean
  /** Whether a page offers it for a worker that stands so. */
  isOffered(worker: WorkerStatus): boolean
  /** Does it, and gives what the audit keeps. @throws OperationRefusedError, or what the manager throws. */
  perform(call: OperationCall): Promise<Readonly<Record<string, unknown>>>
}

/** The worker does not stand as the operation needs it. */
export class OperationRefusedError extends Error {}

/** The name of an operation, which ends the path that it is posted to. */
export type OperationName = 'trigger' | 'cancel' | 'pause' | 'resume' | 'reschedule' | 'drop-override' | 'remove'

/** All operations, in the order in which a page offers them. */
export const OPERATIONS: Readonly<Record<OperationName, Operation>> = {
  trigger: {
    action: 'trigger',
    label: 'Run now',
    done: 'The run is accepted.',
    explanation: 'Runs the worker once, now. Its schedule stays as it is.',
    isDangerous: false,
    isOffered: ({ schedule, activeRun, state }) =>
      schedule !== undefined && activeRun === undefined && state !== 'start-failed' && state !== 'orphaned',
    async perform({ manager, worker, by }) {
      return { runId: await manager.trigger(worker.name, { by }) }
    },
  },
  cancel: {
    action: 'cancel',
    label: 'Cancel the run',
    done: 'The run is told to end.',
    explanation: 'Aborts the signal of the active run, wherever it runs. It ends when its work heeds that.',
    isDangerous: true,
    isOffered: ({ activeRun }) => activeRun !== undefined,
    async perform({ manager, worker, form, by }) {
      const runId = form.get('runId') ?? worker.activeRun?.runId
      // Whoever may cancel the runs of this worker may not cancel those of another one.
      const isItsRun = runId !== undefined && runId === worker.activeRun?.runId
      if (!isItsRun || !(await manager.cancel(runId, { by }))) {
        throw new OperationRefusedError('That run has ended already.')
      }
      return { runId }
    },
  },
  pause: {
    action: 'pause',
    label: 'Pause',
    done: 'The worker is paused.',
    explanation:
      'No slot runs until somebody resumes the worker. An active attempt goes on; a slot that waits to start and a run that waits for its retry are ended.',
    isDangerous: false,
    isOffered: ({ schedule, paused }) => schedule !== undefined && paused === undefined,
    async perform({ manager, worker, form, by }) {
      const note = form.get('note')?.trim()
      const details = note ? { note } : {}
      await manager.pause(worker.name, { ...details, by })
      return details
    },
  },
  resume: {
    action: 'resume',
    label: 'Resume',
    done: 'The worker is resumed.',
    explanation: 'The next slot runs. What was due while it was paused is not made up for.',
    isDangerous: false,
    isOffered: ({ paused }) => paused !== undefined,
    async perform({ manager, worker, by }) {
      await manager.resume(worker.name, { by })
      return {}
    },
  },
  reschedule: {
    action: 'reschedule',
    label: 'Reschedule',
    done: 'The schedule is overridden.',
    explanation:
      'Overrides the schedule that the code declares, until the override is dropped or the code declares another.',
    isDangerous: false,
    isOffered: ({ schedule, state }) => schedule !== undefined && state !== 'orphaned',
    async perform({ manager, worker, form, by }) {
      const schedule = readSchedule(form)
      await manager.reschedule(worker.name, schedule, { by })
      return { schedule }
    },
  },
  'drop-override': {
    action: 'reschedule',
    label: 'Drop the override',
    done: 'The override is dropped.',
    explanation: 'The schedule that the code declares is in force again, from now on.',
    isDangerous: false,
    isOffered: ({ schedule }) => schedule?.override !== undefined,
    async perform({ manager, worker, by }) {
      await manager.reschedule(worker.name, undefined, { by })
      return { dropped: worker.schedule?.override?.schedule }
    },
  },
  remove: {
    action: 'remove',
    label: 'Delete',
    done: 'The worker is deleted.',
    explanation:
      'No instance of the release in force declares this worker. Deletes it with its schedule, its pause and its override. Instances of another release drop it too, until they restart.',
    isDangerous: true,
    isOffered: ({ state }) => state === 'orphaned',
    async perform({ manager, worker, by }) {
      if (worker.state !== 'orphaned') {
        throw new OperationRefusedError('Only an orphan can be deleted: an instance declares this worker.')
      }
      await manager.remove(worker.name, { by })
      return {}
    },
  },
}

/** Whether there is an operation of that name. */
export function isOperationName(name: string): name is OperationName {
  return Object.hasOwn(OPERATIONS, name)
}

/** Whether an error means that the form was filled in wrongly. */
export function isInputError(error: unknown): error is BackgroundWorkerError {
  return BackgroundWorkerError.is(error) && (error.code === 'invalid-schedule' || error.code === 'invalid-options')
}

/** @throws InvalidScheduleError */
function readSchedule(form: URLSearchParams): Schedule {
  const timeZone = form.get('timeZone')?.trim()
  const offset = form.get('offset')?.trim()
  return form.get('kind') === 'cron'
    ? cron(form.get('expression') ?? '', timeZone ? { timeZone } : {})
    : every(form.get('period') ?? '', offset ? { offset } : {})
}
