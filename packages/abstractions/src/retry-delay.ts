import type { Filled } from './given-options.ts'
import type { RetryPolicy } from './policy.ts'

/**
 * When the next attempt of a failed run starts, or `undefined` when there is none: no attempts left, or it would start
 * at or after the next slot.
 */
export function nextAttemptAt(
  retry: Filled<RetryPolicy> | undefined,
  failedAttempt: number,
  now: number,
  nextDueAt: number | undefined,
): number | undefined {
  if (!retry || failedAttempt >= retry.attempts) return undefined
  // A power that overflows would make NaN of a backoff of 0.
  const factor = Math.min(retry.factor ** (failedAttempt - 1), Number.MAX_SAFE_INTEGER)
  const backoffMs = Math.min(retry.backoffMs * factor, retry.maxBackoffMs)
  const at = now + Math.round(backoffMs)
  return nextDueAt !== undefined && at >= nextDueAt ? undefined : at
}
