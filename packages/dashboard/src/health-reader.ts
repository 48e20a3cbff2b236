import {
  BackgroundWorkerError,
  type HealthReport,
  type IBackgroundWorkerManager,
} from '@background-workers/abstractions'
import type { Audit } from './audit.ts'

/** The health, or none while it can not be read. */
export type KnownHealth = HealthReport | undefined

const STORE_AWAY: HealthReport = {
  status: 'unhealthy',
  reasons: [{ code: 'store-lost', message: "The manager's store can not be reached." }],
}

/** Reads the health of a manager for pages that are there without it too. Never rejects; what fails is logged once in a row. */
export function healthReader(
  manager: Pick<IBackgroundWorkerManager, 'health'>,
  audit: Pick<Audit, 'error'>,
): () => Promise<KnownHealth> {
  let isFailing = false
  return async () => {
    try {
      const report = await manager.health()
      isFailing = false
      return report
    } catch (err) {
      if (BackgroundWorkerError.is(err) && err.code === 'store-unavailable') return STORE_AWAY
      if (!isFailing) audit.error({ err }, 'the health can not be read')
      isFailing = true
      return undefined
    }
  }
}
