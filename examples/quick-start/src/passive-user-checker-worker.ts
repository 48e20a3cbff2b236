import {
  AsyncPeriodicBackgroundWorkerBase,
  type PeriodicBackgroundWorkerContext,
  every,
} from '@background-workers/abstractions'
import type { UserRepository } from './user-repository.ts'

/** Makes a user passive who has not logged in for 30 days. */
export class PassiveUserCheckerWorker extends AsyncPeriodicBackgroundWorkerBase {
  readonly name = 'passive-user-checker'
  // So short that you see it work. In an application: every('10m').
  readonly schedule = every('2s')

  async doWork({ services, logger }: PeriodicBackgroundWorkerContext) {
    logger.info({}, 'starting: setting status of inactive users')

    const userRepository = services.resolve<UserRepository>('userRepository')
    const madePassive = await userRepository.updateInactiveUserStatuses()

    logger.info({ madePassive }, 'completed: setting status of inactive users')
  }
}
