import type { Clock } from './clock.ts'
import { type StoppingWork, drain } from './drain.ts'
import { ManagerStoppedError } from './errors.ts'
import type { AbandonedWork } from './manager.ts'
import type { Run } from './run.ts'
import type { WorkerStarter } from './worker-starter.ts'

/** A worker that is to be stopped. */
export interface StoppableWorker {
  readonly name: string
  readonly starter: WorkerStarter
  /** Its active run. */
  readonly run: Run | undefined
}

/** A run that a stop waits for. */
export interface StoppableRun {
  readonly run: Run
  /** When it needs no waiting any more; never rejects. */
  readonly done: Promise<unknown>
}

/** Stops workers, each after its run and at the latest at the deadline; also those that are removed while others go on. */
export class WorkerStops {
  readonly #clock: Clock
  /** Removed workers whose run or `stop` has not ended yet. */
  readonly #leaving = new Set<StoppingWork>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** A removed worker: its run may finish, then its `stop` is called. A stop of the manager waits for that too. */
  letGo(worker: StoppableWorker): void {
    const leaving = stoppingWorker(worker, new AbortController())
    this.#leaving.add(leaving)
    void leaving.done.then(() => this.#leaving.delete(leaving))
  }

  /**
   * Waits for runs and workers until the deadline, aborts what is left, and says what did not end. `deadlinePassed` is called
   * before the first abort.
   */
  async stopAll(
    runs: readonly StoppableRun[],
    workers: readonly StoppableWorker[],
    timeoutMs: number,
    deadlinePassed?: () => void,
  ): Promise<AbandonedWork[]> {
    const deadline = new AbortController()
    const work = [
      ...runs.map((stopping) => stoppingRun(stopping, timeoutMs)),
      ...workers.map((worker) => stoppingWorker(worker, deadline)),
      ...this.#leaving,
    ]
    const abandoned = await drain(work, timeoutMs, this.#clock, deadlinePassed)
    this.#leaving.clear()
    return abandoned
  }
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

function stoppingWorker(worker: StoppableWorker, deadline: AbortController): StoppingWork {
  return {
    worker: worker.name,
    done: stopAfterRun(worker, deadline.signal),
    abort: () => deadline.abort(new ManagerStoppedError('The stop deadline has passed.')),
  }
}

async function stopAfterRun({ run, starter }: StoppableWorker, deadline: AbortSignal): Promise<void> {
  if (run) {
    const deadlinePassed = new Promise<void>((resolve) => {
      deadline.addEventListener('abort', () => resolve(), { once: true })
    })
    await Promise.race([run.drained, deadlinePassed])
  }
  await starter.stop(deadline)
}
