import { isSlug } from '@background-workers/abstractions/for-managers'
import type { RedisClient } from './redis-client.ts'
import type { Keys } from './keys.ts'
import { LuaScript } from './lua-script.ts'
import { type CancelRequest, readCancelRequest } from './cancel-requests.ts'

/** An instance whose last heartbeat is older than this counts as dead. */
export const DEAD_AFTER_MS = 30_000

/** How an instance describes itself in its heartbeat. */
export interface InstanceDescription {
  readonly release: number
  readonly queues: readonly string[]
  /** By Redis time. */
  readonly startedAt: number
  /** Grows with each worker that is added or removed here. */
  readonly namesVersion: number
  readonly skewMs: number
}

/** An instance as its last heartbeat describes it. */
export interface Instance extends InstanceDescription {
  readonly instanceId: string
  readonly lastSeenAt: number
}

/** What a heartbeat learns. */
export interface Beat {
  readonly time: readonly (string | number)[]
  readonly instances: readonly Instance[]
  readonly version: string
  readonly schedulerCount: number
  readonly firstNextAt: number | undefined
  /** By run id: who wants the run cancelled, and since when. */
  readonly cancels: ReadonlyMap<string, CancelRequest>
  /** Whether the names of this instance are there; not after Redis was emptied. */
  readonly hasNames: boolean
}

/** The heartbeats and worker names of all instances, in Redis. */
export class Instances {
  readonly #client: RedisClient
  readonly #keys: Keys
  readonly #instanceId: string

  constructor(client: RedisClient, keys: Keys, instanceId: string) {
    this.#client = client
    this.#keys = keys
    this.#instanceId = instanceId
  }

  /** Without a description nothing is written; the names of the workers only where they are given. */
  async beat(description: InstanceDescription | undefined, names?: readonly string[]): Promise<Beat> {
    const [seconds, micros, instances, version, schedulerCount, firstNextAt, cancels, hasNames] = (await beatScript.run(
      this.#client,
      [this.#keys.instances, this.#keys.workers, this.#keys.schedulers, this.#keys.cancels, this.#keys.instanceNames],
      [this.#instanceId, description ? JSON.stringify(description) : '', names ? JSON.stringify(names) : ''],
    )) as [string, string, string[], string, number, string, string[], number]
    return {
      time: [seconds, micros],
      instances: readInstances(instances),
      version,
      schedulerCount,
      firstNextAt: firstNextAt === '' ? undefined : Number(firstNextAt),
      hasNames: hasNames === 1,
      cancels: new Map(
        cancels.flatMap((runId, index) =>
          index % 2 === 0 ? [[runId, readCancelRequest(cancels[index + 1] ?? '')] as const] : [],
        ),
      ),
    }
  }

  /** The union of the worker names of these instances. */
  async readNames(instances: readonly Instance[]): Promise<Set<string>> {
    if (instances.length === 0) return new Set()
    const texts = await this.#client.hmget(this.#keys.instanceNames, ...instances.map(({ instanceId }) => instanceId))
    return new Set(texts.flatMap(readNames))
  }

  async forget(instanceIds: readonly string[]): Promise<void> {
    if (instanceIds.length === 0) return
    await this.#client
      .multi()
      .hdel(this.#keys.instances, ...(instanceIds as [string]))
      .hdel(this.#keys.instanceNames, ...(instanceIds as [string]))
      .exec()
  }
}

/** Those that gave a sign of life lately. One from the future has died before the clock was set back. */
export function liveInstances(instances: readonly Instance[], now: number): Instance[] {
  return instances.filter(({ lastSeenAt }) => Math.abs(now - lastSeenAt) < DEAD_AFTER_MS)
}

/** The release in force: the highest that is live. */
export function releaseInForce(live: readonly Instance[]): number | undefined {
  return live.length === 0 ? undefined : Math.max(...live.map(({ release }) => release))
}

function readInstances(flat: readonly string[]): Instance[] {
  const instances: Instance[] = []
  for (let index = 0; index + 1 < flat.length; index += 2) {
    const instance = readInstance(flat[index] as string, flat[index + 1] as string)
    if (instance) instances.push(instance)
  }
  return instances
}

/** What can not be read is no instance. */
function readInstance(instanceId: string, text: string): Instance | undefined {
  const space = text.indexOf(' ')
  try {
    const lastSeenAt = Number(text.slice(0, space))
    const value = JSON.parse(text.slice(space + 1)) as Partial<InstanceDescription>
    const { release, queues, startedAt, namesVersion, skewMs } = value
    if (![lastSeenAt, release, startedAt, namesVersion, skewMs].every(Number.isFinite) || !Array.isArray(queues))
      return undefined
    return { ...(value as InstanceDescription), instanceId, lastSeenAt }
  } catch {
    return undefined
  }
}

function readNames(text: string | null): string[] {
  try {
    const names: unknown = JSON.parse(text ?? '[]')
    return Array.isArray(names) ? names.filter((name) => isSlug(name) === undefined) : []
  } catch {
    return []
  }
}

/**
 * One heartbeat in one round trip: says that the instance lives and reads what may have changed.
 * Gives Redis time (two parts), all instances (id, 'ms json', …), the version, how many schedulers there are, and when the
 * first of them is due, the runs to be cancelled (run id, 'ms by', …), and whether the worker names of the instance are there.
 *
 * KEYS instances, workers, schedulers, cancels, instance names · ARGV instance, its description or '' to write nothing, the names
 * of its workers or '' to leave them
 */
const beatScript = new LuaScript(`
local time = redis.call('TIME')
local now = string.format('%d', time[1] * 1000 + math.floor(time[2] / 1000))
if ARGV[2] ~= '' then redis.call('HSET', KEYS[1], ARGV[1], now .. ' ' .. ARGV[2]) end
if ARGV[3] ~= '' then redis.call('HSET', KEYS[5], ARGV[1], ARGV[3]) end
local first = redis.call('ZRANGE', KEYS[3], 0, 0, 'WITHSCORES')
return {
  time[1], time[2], redis.call('HGETALL', KEYS[1]), redis.call('HGET', KEYS[2], 'version') or '0',
  redis.call('ZCARD', KEYS[3]), first[2] or '', redis.call('HGETALL', KEYS[4]),
  redis.call('HEXISTS', KEYS[5], ARGV[1])
}
`)
