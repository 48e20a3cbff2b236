import {
  AsyncPeriodicBackgroundWorkerBase,
  type PeriodicBackgroundWorkerContext,
  every,
} from '@background-workers/abstractions'

/** Fails every other time. The manager logs the error, and the worker keeps its schedule. */
export class FlakyReportWorker extends AsyncPeriodicBackgroundWorkerBase {
  readonly name = 'flaky-report'
  readonly schedule = every('2s')
  // A worker is a singleton, so this lives as long as the application.
  #runs = 0

  async doWork({ logger }: PeriodicBackgroundWorkerContext) {
    this.#runs++
    if (this.#runs % 2 === 1) throw new Error('The mail server is away')
    logger.info({}, 'report sent')
  }
}
