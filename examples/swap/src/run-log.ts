import type { IBackgroundWorkerManager, RunRecord } from '@background-workers/abstractions'

/** The runs of this process, as the manager's events tell them. */
export class RunLog {
  readonly #manager: IBackgroundWorkerManager
  readonly #records: RunRecord[] = []
  #shown = 0

  constructor(manager: IBackgroundWorkerManager) {
    this.#manager = manager
    manager.on('run-finished', (record) => this.#records.push(record))
  }

  async untilEachHasRun(times: number): Promise<void> {
    this.#shown = times
    const workers = await this.#manager.list()
    await this.#until(() => workers.every(({ name }) => this.#runsOf(name).length >= times))
  }

  async untilOver(runId: string): Promise<RunRecord> {
    const find = () => this.#records.find((record) => record.runId === runId)
    await this.#until(() => find() !== undefined)
    return find() as RunRecord
  }

  /** The first runs of each worker, one worker a line. */
  describe(): string[] {
    const workers = [...new Set(this.#records.map(({ worker }) => worker))].sort()
    return workers.map((worker) => {
      const runs = this.#runsOf(worker).slice(0, this.#shown)
      return `${worker.padEnd(14)}${runs.map(describeRun).join(', ')}`
    })
  }

  #runsOf(worker: string): RunRecord[] {
    return this.#records.filter((record) => record.worker === worker)
  }

  /** Looks again at each run that ends. */
  #until(isSo: () => boolean): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const look = () => {
      if (isSo()) resolve()
    }
    const stopListening = this.#manager.on('run-finished', look)
    look()
    return promise.finally(stopListening)
  }
}

/** `succeeded at attempt 2`, or `failed (timeout)` */
export function describeRun({ outcome, attempts, reason, error }: RunRecord): string {
  const why = reason ?? error?.message
  return `${outcome}${attempts > 1 ? ` at attempt ${attempts}` : ''}${why === undefined ? '' : ` (${why})`}`
}
