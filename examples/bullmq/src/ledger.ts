import type { RunKind } from '@background-workers/abstractions'
import type { Redis } from 'ioredis'

/** What one run has done, and where. */
export interface LedgerEntry {
  readonly worker: string
  readonly slot: string
  readonly kind: RunKind
  readonly missedSlots: number
  /** The instance that ran it. */
  readonly instance: string
}

/**
 * The work itself: a list in Redis to which every run adds a line. If a slot ran on two instances, or twice on one, it
 * would be in it twice.
 */
export class Ledger {
  readonly #redis: Redis
  readonly #key: string

  constructor({ redis, applicationName }: { redis: Redis; applicationName: string }) {
    this.#redis = redis
    this.#key = `ledger-of-${applicationName}`
  }

  async add(entry: LedgerEntry): Promise<void> {
    await this.#redis.rpush(this.#key, JSON.stringify(entry))
  }

  async entries(): Promise<LedgerEntry[]> {
    const lines = await this.#redis.lrange(this.#key, 0, -1)
    return lines.map((line) => JSON.parse(line) as LedgerEntry)
  }
}
