import {
  AsyncPeriodicBackgroundWorkerBase,
  type PeriodicBackgroundWorkerContext,
  type PeriodicWorkerPolicy,
  cron,
} from '@background-workers/abstractions'
import { Inject, Injectable } from '@nestjs/common'
import { Mailer } from './mailer.ts'

/** Sends a newsletter, at the second attempt. A singleton is injected into its constructor, as in any provider. */
export class NewsletterWorker extends AsyncPeriodicBackgroundWorkerBase {
  readonly name = 'newsletter'
  // In an application: cron('30 9 * * mon', { timeZone: 'Europe/Berlin' }).
  readonly schedule = cron('* * * * * *')
  override readonly policy: PeriodicWorkerPolicy = { retry: { attempts: 2, backoffMs: 50 } }
  readonly #mailer: Mailer

  constructor(mailer: Mailer) {
    super()
    this.#mailer = mailer
  }

  async doWork({ attempt, runId }: PeriodicBackgroundWorkerContext) {
    if (attempt === 1) throw new Error('the mail server does not answer')
    await this.#mailer.send(runId)
  }
}

// What `@Injectable()` above the class and `@Inject(Mailer)` at the parameter do: see app-module.ts.
Injectable()(NewsletterWorker)
Inject(Mailer)(NewsletterWorker, undefined, 0)
