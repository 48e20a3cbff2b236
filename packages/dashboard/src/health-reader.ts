import {
  BackgroundWorkerError,
  type HealthReason,
  type HealthReport,
  type IBackgroundWorkerManager,
} from '@background-workers/abstractions'
import type { Audit } from './audit.ts'
import type { FilledOptions } from './options.ts'

/** The health, or none while it can not be read. */
export type KnownHealth = HealthReport | undefined

const STORE_LOST: HealthReason = {
  code: 'store-lost',
  message: 'The store or the lock of the manager can not be reached.',
}

/** Reads the health of a manager for pages that are there without it too. Never rejects; what fails is logged once in a row. */
export function healthReader(
  { manager, errors }: { readonly manager: Pick<IBackgroundWorkerManager, 'health'> } & Pick<FilledOptions, 'errors'>,
  audit: Pick<Audit, 'error'>,
): () => Promise<KnownHealth> {
  let isFailing = false
  return async () => {
    try {
      const report = await manager.health()
      isFailing = false
      return errors === 'redacted' ? { ...report, reasons: report.reasons.map(withoutError) } : report
    } catch (err) {
      if (BackgroundWorkerError.is(err) && err.code === 'store-unavailable') {
        return { status: 'unhealthy', reasons: [STORE_LOST] }
      }
      if (!isFailing) audit.error({ err }, 'the health can not be read')
      isFailing = true
      return undefined
    }
  }
}

/** The message of a lost store holds that of an error; that of a failed start, which does too, no page shows at all. */
function withoutError(reason: HealthReason): HealthReason {
  return reason.code === STORE_LOST.code ? STORE_LOST : reason
}
