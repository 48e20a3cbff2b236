import { DEFAULT_SLOT_CLAIM_TTL_MS, InvalidOptionsError, type Logger } from '@background-workers/abstractions'
import {
  type Check,
  type Filled,
  checkOptions,
  hasMethods,
  isSlug,
  isWhole,
  show,
} from '@background-workers/abstractions/for-managers'
import type { Cluster, Redis, RedisOptions } from 'ioredis'

/** How to reach Redis: a URL, ioredis options, or a client of yours (it stays open when the lock is disposed). */
export type RedisLockConnection = string | RedisOptions | Redis | Cluster

/** What the Redis lock takes. */
export interface RedisLockOptions {
  readonly connection: RedisLockConnection
  /** The owner of the workers: all keys begin with it. Instances of one application share it. @default 'application' */
  readonly applicationName?: string | undefined
  /** The lease: how long a lock outlives an instance that died, in ms; from 1,000. It is renewed while the run goes on. @default 20_000 */
  readonly lockTimeoutMs?: number | undefined
  /** How often the lease is renewed, in ms; at most two fifths of it. @default a third of lockTimeoutMs */
  readonly refreshIntervalMs?: number | undefined
  /**
   * How long a claim outlives the time in which its slot may start, in ms: the clocks of the instances may be apart by so
   * much. A claim is a key of some 150 bytes for each slot. @default 600_000 (10 min)
   */
  readonly slotClaimTtlMs?: number | undefined
  /**
   * How long one command may take, the wait for a connection included, in ms; below refreshIntervalMs, or more where that is
   * short: the renewal after one without an answer must be sent within four fifths of the lease.
   * @default 5_000, at most a quarter of lockTimeoutMs
   */
  readonly commandTimeoutMs?: number | undefined
  /**
   * How long dispose waits for the runs that hold a lock, in ms; not for those that a manager's stop has not waited for.
   * @default 35_000: longer than a manager's stop takes
   */
  readonly disposeTimeoutMs?: number | undefined
  /** Where what goes wrong in the background is reported; a pino logger fits. @default a logger that writes nothing */
  readonly logger?: Logger | undefined
}

/** The options with their defaults. */
export type FilledOptions = Filled<Omit<RedisLockOptions, 'logger'>> & { readonly logger: Logger | undefined }

const MAX_MS = 2 ** 31 - 1

const isConnection: Check = (value) => {
  if (typeof value === 'string' && /^rediss?:\/\//.test(value)) return undefined
  const wanted = 'must be a redis:// URL, ioredis options or an ioredis client, got'
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return `${wanted} ${show(value)}.`
  // As options, a URL object and a promise would set nothing, and ioredis would connect to 127.0.0.1:6379.
  if (value instanceof URL) return `${wanted} a URL object. Pass its href.`
  const { then, duplicate, status } = value as { then?: unknown; duplicate?: unknown; status?: unknown }
  if (typeof then === 'function') return `${wanted} a promise. Await it.`
  // Clients of the package redis have duplicate() too; a status only those of ioredis.
  const isOtherClient = typeof duplicate === 'function' && typeof status !== 'string'
  return isOtherClient ? `${wanted} a client of another package. Make it with ioredis.` : undefined
}

const checks = {
  connection: isConnection,
  applicationName: isSlug,
  lockTimeoutMs: isWhole(1_000, MAX_MS, 'ms'),
  refreshIntervalMs: isWhole(1, MAX_MS, 'ms'),
  slotClaimTtlMs: isWhole(0, MAX_MS, 'ms'),
  commandTimeoutMs: isWhole(1, MAX_MS, 'ms'),
  disposeTimeoutMs: isWhole(0, MAX_MS, 'ms'),
  logger: hasMethods('debug', 'info', 'warn', 'error'),
} satisfies Record<keyof RedisLockOptions, Check>

/** What the options are called. */
export const optionNames: readonly string[] = Object.keys(checks)

/** @throws InvalidOptionsError */
export function fillOptions(options: RedisLockOptions): FilledOptions {
  checkOptions('RedisDistributedLock', options, checks)
  // Where none is given, `checkOptions` has nothing to check.
  const problem = isConnection(options.connection)
  if (problem !== undefined) throw new InvalidOptionsError(`RedisDistributedLock: "connection" ${problem}`)
  const lockTimeoutMs = options.lockTimeoutMs ?? 20_000
  const filled = {
    connection: options.connection,
    applicationName: options.applicationName ?? 'application',
    lockTimeoutMs,
    refreshIntervalMs: options.refreshIntervalMs ?? Math.round(lockTimeoutMs / 3),
    slotClaimTtlMs: options.slotClaimTtlMs ?? DEFAULT_SLOT_CLAIM_TTL_MS,
    commandTimeoutMs: options.commandTimeoutMs ?? Math.min(5_000, Math.round(lockTimeoutMs / 4)),
    disposeTimeoutMs: options.disposeTimeoutMs ?? 35_000,
    logger: options.logger,
  }
  checkRenewals(filled)
  return filled
}

/**
 * A renewal that gets no answer must not cost the lock. While one waits none is sent; the first that comes due after it has been
 * given up must leave time for its own answer: the mutex takes the lease to be over a tenth early.
 */
function checkRenewals({ lockTimeoutMs, refreshIntervalMs, commandTimeoutMs }: FilledOptions): void {
  const inTime = Math.floor((4 * lockTimeoutMs) / (5 * refreshIntervalMs))
  if (inTime < 2) {
    throw new InvalidOptionsError(
      `RedisDistributedLock: "refreshIntervalMs" must be at most two fifths of lockTimeoutMs (${Math.floor((2 * lockTimeoutMs) / 5)} ms), or one late answer loses a lock.`,
    )
  }
  const nextAfterMs = (inTime - 1) * refreshIntervalMs
  if (commandTimeoutMs >= nextAfterMs) {
    throw new InvalidOptionsError(
      `RedisDistributedLock: "commandTimeoutMs" must be below ${nextAfterMs} ms where lockTimeoutMs is ${lockTimeoutMs} ms and refreshIntervalMs ${refreshIntervalMs} ms, or one late answer loses a lock.`,
    )
  }
}
