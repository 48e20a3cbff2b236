import {
  AsyncPeriodicBackgroundWorkerBase,
  type PeriodicBackgroundWorkerContext,
  every,
} from '@background-workers/abstractions'
import type { SessionStore } from './session-store.ts'

/** Closes the sessions that have expired. */
export class ExpiredSessionCleaner extends AsyncPeriodicBackgroundWorkerBase {
  readonly name = 'expired-session-cleaner'
  readonly schedule = every('500ms')
  readonly #sessions: SessionStore

  constructor(sessions: SessionStore) {
    super()
    this.#sessions = sessions
  }

  async doWork({ logger }: PeriodicBackgroundWorkerContext) {
    const closed = this.#sessions.closeExpired()
    if (closed.length > 0) logger.info({ closed }, 'expired sessions closed')
  }
}
