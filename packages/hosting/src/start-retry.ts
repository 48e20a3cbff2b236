import {
  BackgroundWorkerError,
  type BackgroundWorkerErrorCode,
  InvalidOptionsError,
} from '@background-workers/abstractions'
import { type Filled, checkOptions, isWhole } from '@background-workers/abstractions/for-managers'
import { AwilixError } from 'awilix'

/** How a failed start is repeated: after `minDelayMs`, then twice as long each time, at most `maxDelayMs`. */
export interface StartRetryOptions {
  /** How often to try, the first included. @default without end */
  readonly attempts?: number | undefined
  /** The first wait, in ms. @default 1_000, or `maxDelayMs` if that is less */
  readonly minDelayMs?: number | undefined
  /** The longest wait, in ms; at least `minDelayMs`. @default 30_000, or `minDelayMs` if that is more */
  readonly maxDelayMs?: number | undefined
}

/** The options with their defaults. */
export type StartRetry = Filled<StartRetryOptions>

const MAX_DELAY_MS = 86_400_000

/** @throws InvalidOptionsError */
export function fillStartRetry(options: StartRetryOptions = {}): StartRetry {
  checkOptions('runApplication: startRetry', options, {
    attempts: isWhole(1, Number.MAX_SAFE_INTEGER),
    minDelayMs: isWhole(1, MAX_DELAY_MS, 'ms'),
    maxDelayMs: isWhole(1, MAX_DELAY_MS, 'ms'),
  })
  const minDelayMs = options.minDelayMs ?? Math.min(1_000, options.maxDelayMs ?? 1_000)
  const maxDelayMs = options.maxDelayMs ?? Math.max(30_000, minDelayMs)
  if (maxDelayMs < minDelayMs) {
    throw new InvalidOptionsError(
      `runApplication: startRetry: "maxDelayMs" (${maxDelayMs}) is below "minDelayMs" (${minDelayMs}), which is the first wait. Raise maxDelayMs, or leave it out.`,
    )
  }
  return { attempts: options.attempts ?? Number.POSITIVE_INFINITY, minDelayMs, maxDelayMs }
}

/** How long to wait after a failed attempt (1 is the first), or `undefined` when it was the last. */
export function startRetryDelayMs(retry: StartRetry, failedAttempt: number, error: unknown): number | undefined {
  if (failedAttempt >= retry.attempts || isMistake(error)) return undefined
  return Math.min(retry.minDelayMs * 2 ** (failedAttempt - 1), retry.maxDelayMs)
}

const MISTAKES: ReadonlySet<BackgroundWorkerErrorCode> = new Set([
  'invalid-worker',
  'duplicate-worker',
  'unknown-worker',
  'not-periodic',
  'invalid-schedule',
  'invalid-options',
  'manager-stopped',
])

/** A mistake in the program or its registrations; trying again would only hide it. */
function isMistake(error: unknown): boolean {
  return error instanceof AwilixError || (BackgroundWorkerError.is(error) && MISTAKES.has(error.code))
}
