import {
  AsyncPeriodicBackgroundWorkerBase,
  type PeriodicBackgroundWorkerContext,
  type PeriodicWorkerPolicy,
  cron,
  every,
} from '@background-workers/abstractions'
import type { Mailbox } from './mailbox.ts'

// Nothing here knows which manager runs it.

/** Sends through the mailbox of its run. */
export class DigestWorker extends AsyncPeriodicBackgroundWorkerBase {
  readonly name = 'digest'
  readonly schedule = every('1s')

  async doWork({ services, logger }: PeriodicBackgroundWorkerContext) {
    await services.resolve<Mailbox>('mailbox').send('digest')
    logger.info('digest sent')
  }
}

/** Fails at every second run. It keeps its schedule. */
export class FlakyReportWorker extends AsyncPeriodicBackgroundWorkerBase {
  readonly name = 'flaky-report'
  readonly schedule = cron('* * * * * *')
  #runs = 0

  async doWork() {
    this.#runs++
    if (this.#runs % 2 === 0) throw new Error('the printer is out of paper')
  }
}

/** Fails at the first attempt of each run, and succeeds at the second. */
export class ImportWorker extends AsyncPeriodicBackgroundWorkerBase {
  readonly name = 'import'
  readonly schedule = every('2s')
  override readonly policy: PeriodicWorkerPolicy = { retry: { attempts: 2, backoffMs: 50 } }

  async doWork({ attempt }: PeriodicBackgroundWorkerContext) {
    if (attempt === 1) throw new Error('the partner does not answer')
  }
}

/** Takes longer than it may; its signal tells it to end. */
export class SlowExportWorker extends AsyncPeriodicBackgroundWorkerBase {
  readonly name = 'slow-export'
  readonly schedule = every('2s')
  override readonly policy: PeriodicWorkerPolicy = { timeoutMs: 200 }

  async doWork({ signal }: PeriodicBackgroundWorkerContext) {
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
  }
}
