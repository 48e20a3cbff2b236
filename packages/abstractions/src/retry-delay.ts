import type { RetryPolicy } from './policy.ts'

/**
 * When the next attempt of a failed run starts, or `undefined` when there is none: no attempts left, or it would start
 * at or after the next slot.
 */
export function nextAttemptAt(
  retry: Required<RetryPolicy> | undefined,
  failedAttempt: number,
  now: number,
  nextDueAt: number | undefined,
): number | undefined {
  if (!retry || failedAttempt >= retry.attempts) return undefined
  const backoffMs = Math.min(retry.backoffMs * retry.factor ** (failedAttempt - 1), retry.maxBackoffMs)
  const at = now + Math.round(backoffMs)
  return nextDueAt !== undefined && at >= nextDueAt ? undefined : at
}
