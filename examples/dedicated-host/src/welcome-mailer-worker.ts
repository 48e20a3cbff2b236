import {
  AsyncPeriodicBackgroundWorkerBase,
  type PeriodicBackgroundWorkerContext,
  every,
} from '@background-workers/abstractions'
import type { SignupRepository } from './signup-repository.ts'

/** Sends a mail to everybody who has signed up and has none. It does not know in which process it runs. */
export class WelcomeMailerWorker extends AsyncPeriodicBackgroundWorkerBase {
  readonly name = 'welcome-mailer'
  readonly schedule = every('1s')

  async doWork({ services, logger }: PeriodicBackgroundWorkerContext) {
    const signups = services.resolve<SignupRepository>('signupRepository')
    for (const { name } of signups.list().filter(({ welcomedBy }) => welcomedBy === null)) {
      // Here the mail would be sent.
      signups.markWelcomed(name, process.pid)
      logger.info({ name }, 'welcome mail sent')
    }
  }
}
