import { checkOptions, findProblem, isBoolean, isNumber, isOneOf, isSlug, isWhole, type Check } from './checks.ts'
import { MAX_DURATION_MS } from './duration.ts'
import { InvalidOptionsError } from './errors.ts'
import { type Filled, givenOptions } from './given-options.ts'

/** How a periodic worker wants its slots and runs treated. Every field has a default; times are in ms. */
export interface PeriodicWorkerPolicy {
  /**
   * Run once when the manager starts, or when the worker is added to a running one. Default manager: each time. BullMQ:
   * once per `release` in the cluster, or without a release once per min(period, 10 min). Not while paused; skipped if a
   * run is active.
   * @default false
   */
  readonly runOnStart?: boolean | undefined
  /**
   * What becomes of a slot that is late (by over 1 s) but inside the catch-up window: `'run-once'` runs it, `'skip'`
   * records it as missed.
   * @default 'run-once'
   */
  readonly misfire?: 'run-once' | 'skip' | undefined
  /**
   * How late a slot may start. Later than this it is recorded as missed. A slot counts as on time for 1 s (or half the
   * gap to the next slot, if that is less), also with a window of 0.
   * @default half the gap to the next slot, at most 1 h
   */
  readonly catchUpWindowMs?: number | undefined
  /**
   * Moves each slot by up to this much, by a hash of worker and slot that is the same on every instance. Capped below
   * the gap to the next slot. Lateness counts from the moved time.
   * @default 0
   */
  readonly jitterMs?: number | undefined
  /**
   * How long a run may take, its retries included. After that its signal is aborted and it is recorded as
   * `failed`/`timeout`; it stays active until `doWork` settles.
   * @default none
   */
  readonly timeoutMs?: number | undefined
  /** Repeats a failed run inside the run. No attempt starts at or after the next slot. @default none */
  readonly retry?: RetryPolicy | undefined
  /**
   * How many runs are kept as records and, apart from them, how many non-runs (skipped, missed). The last success and
   * the last failure always stay.
   * @default 100
   */
  readonly keepRuns?: number | undefined
  /**
   * What follows when the process of a run dies, where the manager can know: `'next-slot'` goes on with the next slot,
   * `'recover'` runs it again once.
   * @default 'next-slot'
   */
  readonly onCrash?: 'next-slot' | 'recover' | undefined
  /** Which instances run it, where the manager has queues. @default 'default' */
  readonly queue?: string | undefined
}

/** Waits `backoffMs * factor^(attempt - 1)`, at most `maxBackoffMs`, between the attempts of a run. */
export interface RetryPolicy {
  /** How many attempts in all; counts the first. */
  readonly attempts: number
  /** The first wait, in ms. */
  readonly backoffMs: number
  /** How many times as long each wait is as the one before, from 1. @default 1 */
  readonly factor?: number | undefined
  /** The longest wait, in ms; at least `backoffMs`. @default 3_600_000 (1 h), or `backoffMs` if that is more */
  readonly maxBackoffMs?: number | undefined
}

/** A policy with its defaults filled in. Plain data. */
export interface FilledPolicy {
  readonly runOnStart: boolean
  readonly misfire: 'run-once' | 'skip'
  readonly catchUpWindowMs?: number
  readonly jitterMs: number
  readonly timeoutMs?: number
  readonly retry?: Filled<RetryPolicy>
  readonly keepRuns: number
  readonly onCrash: 'next-slot' | 'recover'
  readonly queue: string
}

/** The policy of a worker that sets nothing: known to be right, so thousands of workers that have it are not checked one by one. */
export const NO_POLICY: PeriodicWorkerPolicy = Object.freeze({})

const retryChecks: Record<keyof RetryPolicy, Check> = {
  attempts: isWhole(1, 1_000),
  backoffMs: isWhole(0, MAX_DURATION_MS, 'ms'),
  factor: isNumber(1, 100),
  maxBackoffMs: isWhole(0, MAX_DURATION_MS, 'ms'),
}

const policyChecks: Record<keyof PeriodicWorkerPolicy, Check> = {
  runOnStart: isBoolean,
  misfire: isOneOf('run-once', 'skip'),
  catchUpWindowMs: isWhole(0, MAX_DURATION_MS, 'ms'),
  jitterMs: isWhole(0, MAX_DURATION_MS, 'ms'),
  timeoutMs: isWhole(1, MAX_DURATION_MS, 'ms'),
  retry: (value) => {
    const problem = findProblem(value, retryChecks)
    if (problem !== undefined) return `is not a retry policy: ${problem}`
    const { attempts, backoffMs } = value as Partial<RetryPolicy>
    return attempts === undefined || backoffMs === undefined ? 'needs "attempts" and "backoffMs".' : undefined
  },
  keepRuns: isWhole(1, 10_000),
  onCrash: isOneOf('next-slot', 'recover'),
  queue: isSlug,
}

const POLICY_NAMES = Object.keys(policyChecks)
const RETRY_NAMES = Object.keys(retryChecks)

/** @throws InvalidOptionsError naming `subject`, the key and what it takes. */
export function checkPolicy(subject: string, policy: unknown): void {
  checkOptions(subject, policy, policyChecks)
}

/**
 * Checks a policy that the code declares. Stricter than `checkPolicy`, by which a manager also reads what older builds have
 * stored: that stays readable.
 *
 * @throws InvalidOptionsError, as `checkPolicy` does.
 */
export function checkDeclaredPolicy(subject: string, policy: unknown): void {
  checkPolicy(subject, policy)
  const { retry } = policy as PeriodicWorkerPolicy
  if (retry?.maxBackoffMs === undefined || retry.maxBackoffMs >= retry.backoffMs) return
  throw new InvalidOptionsError(
    `${subject}: "retry" has a maxBackoffMs of ${retry.maxBackoffMs}, below its backoffMs of ${retry.backoffMs}, which is the first wait. Raise maxBackoffMs, or leave it out.`,
  )
}

/** Fills a checked policy: the worker's own, then the manager's `defaultPolicy` (filled itself), then the defaults above. */
export function fillPolicy(policy: PeriodicWorkerPolicy, defaultPolicy: FilledPolicy = defaults): FilledPolicy {
  const own = givenOptions(policy, POLICY_NAMES)
  if (isEmpty(own)) return defaultPolicy
  const { retry, ...given } = { ...defaultPolicy, ...own }
  return Object.freeze({ ...given, ...(retry && { retry: fillRetry(retry) }) })
}

function fillRetry(retry: RetryPolicy): Filled<RetryPolicy> {
  const maxBackoffMs = Math.max(3_600_000, retry.backoffMs)
  return Object.freeze({ factor: 1, maxBackoffMs, ...givenOptions(retry, RETRY_NAMES) })
}

// One frozen object for the many workers that set nothing.
const defaults: FilledPolicy = Object.freeze({
  runOnStart: false,
  misfire: 'run-once',
  jitterMs: 0,
  keepRuns: 100,
  onCrash: 'next-slot',
  queue: 'default',
})

function isEmpty(options: object): boolean {
  for (const _ in options) return false
  return true
}
