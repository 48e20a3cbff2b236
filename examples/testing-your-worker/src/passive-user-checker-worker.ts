import {
  AsyncPeriodicBackgroundWorkerBase,
  type PeriodicBackgroundWorkerContext,
  type PeriodicWorkerPolicy,
  every,
} from '@background-workers/abstractions'
import type { UserRepository } from './user-repository.ts'

const THIRTY_DAYS_MS = 30 * 86_400_000

/** Makes a user passive who has not logged in for 30 days. */
export class PassiveUserCheckerWorker extends AsyncPeriodicBackgroundWorkerBase {
  readonly name = 'passive-user-checker'
  readonly schedule = every('10m')
  override readonly policy: PeriodicWorkerPolicy = {
    timeoutMs: 60_000,
    retry: { attempts: 3, backoffMs: 1_000, factor: 2 },
  }

  async doWork({ services, logger, signal, scheduledFor }: PeriodicBackgroundWorkerContext) {
    const users = services.resolve<UserRepository>('userRepository')
    // Reckoned from the slot, not from Date.now(): a test says when it is, and a late run finds what it should have found.
    const inactive = await users.inactiveSince(new Date(scheduledFor.getTime() - THIRTY_DAYS_MS))
    for (const name of inactive) {
      signal.throwIfAborted()
      await users.makePassive(name)
    }
    logger.info({ madePassive: inactive }, 'inactive users made passive')
  }
}
