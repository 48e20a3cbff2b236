import { type IBackgroundWorker, inheritsStart } from './background-worker.ts'
import type { Clock } from './clock.ts'
import { type StoppingWork, drain } from './drain.ts'
import { ManagerStoppedError } from './errors.ts'
import type { AbandonedWork, StopReport } from './manager.ts'
import type { Run } from './run.ts'

/** A worker that is to be stopped. */
export interface StoppableWorker {
  readonly name: string
  readonly worker: IBackgroundWorker
  /** Its active run. */
  readonly run: Run | undefined
  /** Gives when the worker has stopped, or nothing where there is nothing to wait for. Never rejects. */
  stop(signal: AbortSignal): Promise<void> | undefined
}

/** A run that a stop waits for. */
export interface StoppableRun {
  readonly run: Run
  /** When it needs no waiting any more; never rejects. */
  readonly done: Promise<unknown>
}

/** A worker that is being stopped. It is `done` when it may be started again. */
export interface LeavingWorker extends StoppingWork {
  readonly object: IBackgroundWorker
  /** When its active run has ended, or a stop aborts it, and its `stop` is called; none while nothing ran. Never rejects. */
  readonly runEnded: Promise<void> | undefined
}

/** Stops workers, each after its run and at the latest at the deadline; also those that are removed while others go on. */
export class WorkerStops {
  readonly #clock: Clock
  /** Workers that are removed or stopped, and whose run or `stop` has not ended yet. */
  readonly #leaving = new Set<LeavingWorker>()
  /** Those of them that a stop has given up on: a later one does not wait for them. */
  readonly #waitedFor = new WeakSet<LeavingWorker>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** A removed worker: its run may finish, then its `stop` is called. A stop of the manager waits for that too. */
  letGo(worker: StoppableWorker): void {
    this.#stop(worker, new AbortController())
  }

  /** What an object has to wait for before it is started again: that it has gone since it was removed or stopped. */
  leaving(worker: IBackgroundWorker): LeavingWorker | undefined {
    for (const leaving of this.#leaving) if (leaving.object === worker) return leaving
    return undefined
  }

  /**
   * Waits for runs and workers until the deadline, which is in `remainingMs`, aborts what is left, and says what did not end.
   * `timeoutMs` is what the stop was given in all; runs are told that. `deadlinePassed` is called before the first abort.
   */
  async stopAll(
    runs: readonly StoppableRun[],
    workers: readonly StoppableWorker[],
    { timeoutMs, remainingMs }: { readonly timeoutMs: number; readonly remainingMs: number },
    deadlinePassed?: () => void,
  ): Promise<AbandonedWork[]> {
    const deadline = new AbortController()
    for (const worker of workers) this.#stop(worker, deadline)
    const leaving = [...this.#leaving].filter((worker) => !this.#waitedFor.has(worker))
    const work = [...runs.map((stopping) => stoppingRun(stopping, timeoutMs)), ...leaving]
    const abandoned = await drain(work, remainingMs, this.#clock, deadlinePassed)
    for (const worker of leaving) this.#waitedFor.add(worker)
    return abandoned
  }

  #stop(worker: StoppableWorker, deadline: AbortController): void {
    const leaving = stoppingWorker(worker, deadline)
    if (!leaving) return
    this.#leaving.add(leaving)
    void leaving.done.then(() => this.#leaving.delete(leaving))
  }
}

/** What a stop says when it is over, of the runs that it has waited for. */
export function stopReport(runs: readonly Run[], abandoned: readonly AbandonedWork[]): StopReport {
  const finished = runs.filter((run) => run.isSettled)
  const aborted = finished.filter(({ end }) => end?.reason === 'stop').length
  return { finished: finished.length, ...(aborted > 0 && { aborted }), abandoned }
}

function stoppingRun({ run, done }: StoppableRun, timeoutMs: number): StoppingWork {
  const { worker, runId } = run.record
  const message = `Run "${runId}" did not end within the stop deadline of ${timeoutMs} ms.`
  return {
    worker,
    runId,
    done,
    hasEnded: () => run.isSettled,
    abort: () => {
      run.abort(new ManagerStoppedError(message))
    },
  }
}

/** Gives nothing where there is nothing to wait for. */
function stoppingWorker(stoppable: StoppableWorker, deadline: AbortController): LeavingWorker | undefined {
  const { name, worker, run } = stoppable
  const { signal } = deadline
  const runEnded = run && untilEnded(run, signal)
  const stopped = runEnded ? runEnded.then(() => stoppable.stop(signal)) : stoppable.stop(signal)
  return (
    stopped && {
      worker: name,
      object: worker,
      runEnded,
      // Only a `start` of its own could meet a run that was given up on: another run does not start beside that.
      done: run && !inheritsStart(worker) ? Promise.all([stopped, run.drained]) : stopped,
      abort: () => deadline.abort(new ManagerStoppedError('The stop deadline has passed.')),
    }
  )
}

async function untilEnded(run: Run, deadline: AbortSignal): Promise<void> {
  const deadlinePassed = new Promise<void>((resolve) => {
    deadline.addEventListener('abort', () => resolve(), { once: true })
  })
  await Promise.race([run.drained, deadlinePassed])
}
