import {
  AsyncPeriodicBackgroundWorkerBase,
  type PeriodicBackgroundWorkerContext,
  every,
} from '@background-workers/abstractions'
import type { UserRepository } from './user-repository.ts'

const THIRTY_DAYS_MS = 30 * 86_400_000

/** Makes a user passive who has not logged in for 30 days. What is request-scoped it resolves in `doWork`. */
export class PassiveUserCheckerWorker extends AsyncPeriodicBackgroundWorkerBase {
  readonly name = 'passive-user-checker'
  // So short that you see it work. In an application: every('10m').
  readonly schedule = every('1s')

  async doWork({ services, logger, scheduledFor }: PeriodicBackgroundWorkerContext) {
    const users = await services.resolve<Promise<UserRepository>>('userRepository')
    const madePassive = await users.makeInactivePassive(new Date(scheduledFor.getTime() - THIRTY_DAYS_MS))
    logger.info({ madePassive }, 'inactive users made passive')
  }
}
