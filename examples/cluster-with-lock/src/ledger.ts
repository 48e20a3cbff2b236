import type { Redis } from 'ioredis'

/** What an instance has begun or ended. */
export interface LedgerEntry {
  readonly what: 'begins' | 'ends'
  readonly worker: string
  readonly slot: string
  readonly instance: string
}

/** The work itself: a list in Redis, in which every run writes down that it begins and that it ends. */
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

/** The slots that were begun more than once. */
export function repeatedSlots(entries: readonly LedgerEntry[]): string[] {
  const slots = entries.filter(({ what }) => what === 'begins').map(({ worker, slot }) => `${worker} at ${slot}`)
  return slots.filter((slot, index) => slots.indexOf(slot) !== index)
}

/** The runs that began while another run of the same worker was under way; one that was killed counts until its instance's end. */
export function overlappingRuns(entries: readonly LedgerEntry[], killed: string): LedgerEntry[] {
  const underWay = new Map<string, LedgerEntry>()
  return entries.filter((entry) => {
    const other = underWay.get(entry.worker)
    if (entry.what === 'begins') underWay.set(entry.worker, entry)
    else underWay.delete(entry.worker)
    return entry.what === 'begins' && other !== undefined && other.instance !== killed
  })
}
