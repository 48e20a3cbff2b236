import type { ManagerOptions } from '@background-workers/abstractions'
import {
  type Check,
  type FilledManagerOptions,
  InvalidOptionsError,
  MAX_DURATION_MS,
  checkOptions,
  fillManagerOptions,
  isSlug,
  isWhole,
  managerOptionChecks,
  show,
} from '@background-workers/abstractions/for-managers'
import type { Cluster, Redis, RedisOptions } from 'ioredis'

/** How to reach Redis: a URL, ioredis options, or a client of yours (it stays open when the manager stops). */
export type RedisConnection = string | RedisOptions | Redis | Cluster

/** What the BullMQ manager takes. */
export interface BullMqManagerOptions extends ManagerOptions {
  /**
   * Redis 6.2 or newer with `maxmemory-policy noeviction`. No `keyPrefix`, no `commandTimeout` and no `stringNumbers`; a client
   * of yours must have `maxRetriesPerRequest: null`.
   */
  readonly connection: RedisConnection
  /**
   * A number that grows with each release of the application (build number, commit time). The workers of the highest
   * live release are in force, so two versions that run side by side during a deploy never fight.
   * @default 0
   */
  readonly release?: number | undefined
  /**
   * The run queues this instance takes. With `[]` it takes no run: it registers, controls, and starts its workers, so
   * that plain ones work.
   * @default ['default']
   */
  readonly queues?: readonly string[] | undefined
  /** How many runs of one queue this instance runs at a time. @default 50 */
  readonly concurrency?: number | undefined
  /** How long an orphaned worker is kept before it is deleted with its records, in ms. @default 86_400_000 (24 h) */
  readonly orphanGraceMs?: number | undefined
  /** How long a control call waits for Redis, and for each of its answers, in ms. @default 5_000 */
  readonly commandTimeoutMs?: number | undefined
}

/** The options with their defaults. */
export interface FilledOptions extends FilledManagerOptions {
  readonly connection: RedisConnection
  readonly release: number
  readonly queues: readonly string[]
  readonly concurrency: number
  readonly orphanGraceMs: number
  readonly commandTimeoutMs: number
}

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

const areQueues: Check = (value) => {
  if (!Array.isArray(value)) return `must be a list of queue names, got ${show(value)}.`
  const problem = value.map(isSlug).find((text) => text !== undefined)
  if (problem !== undefined) return `has a name that ${problem}`
  return new Set(value).size === value.length ? undefined : 'names a queue twice.'
}

const checks = {
  ...managerOptionChecks,
  connection: isConnection,
  release: isWhole(0, Number.MAX_SAFE_INTEGER),
  queues: areQueues,
  concurrency: isWhole(1, 10_000),
  orphanGraceMs: isWhole(0, MAX_DURATION_MS, 'ms'),
  commandTimeoutMs: isWhole(1, 2 ** 31 - 1, 'ms'),
} satisfies Record<keyof BullMqManagerOptions, Check>

/** What the options are called. */
export const optionNames: readonly string[] = Object.keys(checks)

/**
 * Checks the options and fills in the defaults.
 *
 * @throws InvalidOptionsError
 */
export function fillOptions(options: BullMqManagerOptions): FilledOptions {
  checkOptions('BullMqBackgroundWorkerManager', options, checks)
  checkConnection(options.connection)
  return {
    ...fillManagerOptions(options),
    connection: options.connection,
    release: options.release ?? 0,
    queues: options.queues ?? ['default'],
    concurrency: options.concurrency ?? 50,
    orphanGraceMs: options.orphanGraceMs ?? 86_400_000,
    commandTimeoutMs: options.commandTimeoutMs ?? 5_000,
  }
}

/** Whether it is a client of the caller's. */
export function isClient(connection: RedisConnection): connection is Redis | Cluster {
  return typeof connection === 'object' && typeof (connection as Redis).duplicate === 'function'
}

/** @throws InvalidOptionsError for settings with which BullMQ, or a promise of ours, does not work. */
function checkConnection(connection: RedisConnection): void {
  const refuse = (problem: string) => {
    throw new InvalidOptionsError(`BullMqBackgroundWorkerManager: "connection" must ${problem}`)
  }
  // Where none is given, `checkOptions` has nothing to check.
  const problem = isConnection(connection)
  if (problem !== undefined) throw new InvalidOptionsError(`BullMqBackgroundWorkerManager: "connection" ${problem}`)
  const options = givenOptions(connection)
  // ioredis makes the prefix of a cluster's nodes that of the cluster.
  const { keyPrefix } = isClient(connection) ? connection.options : options
  if (keyPrefix) refuse('have no keyPrefix. Use applicationName to keep applications apart.')
  if (options.stringNumbers) refuse('not have stringNumbers, or what scripts answer is not understood.')
  // A text, as in a URL, sets none.
  if (typeof options.commandTimeout === 'number') {
    refuse('have no commandTimeout, or a decision whose answer is late is lost. commandTimeoutMs limits calls.')
  }
  if (options.autoResendUnfulfilledCommands === false) {
    refuse('not have autoResendUnfulfilledCommands: false, or a decision whose answer is lost is lost with it.')
  }
  if (isClient(connection) && options.maxRetriesPerRequest !== null) {
    refuse('have maxRetriesPerRequest: null, or BullMQ can not wait for jobs.')
  }
}

/** What ioredis takes: it reads options from the query of a URL too, each as a text. */
function givenOptions(connection: RedisConnection): { readonly [Name in keyof RedisOptions]?: unknown } {
  if (typeof connection === 'string') return Object.fromEntries(new URLSearchParams(connection.split('?')[1]))
  if (!isClient(connection)) return connection
  return (connection.isCluster ? (connection as Cluster).options.redisOptions : (connection as Redis).options) ?? {}
}
