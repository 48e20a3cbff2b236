import type { ExampleRedis } from 'example-bullmq/example-redis'
import { Instance } from 'example-bullmq/instance'
import { Narrator } from 'example-bullmq/narrator'
import { Redis } from 'ioredis'
import { Ledger, type LedgerEntry, overlappingRuns, repeatedSlots } from './ledger.ts'

/** What the story is told with. */
export interface StoryParts {
  readonly redis: ExampleRedis
  readonly applicationName: string
  /** Where the instances write their logs. */
  readonly logFolder: string
  readonly interruption: AbortSignal
}

const APPLICATION = new URL('application.ts', import.meta.url)

/** Three instances of one application with clocks that are apart: one is killed, one is stopped, and each slot runs once. */
export class Story implements AsyncDisposable {
  readonly #parts: StoryParts
  readonly #narrator: Narrator
  readonly #instances = new Map<string, Instance>()
  readonly #redis: Redis
  readonly #ledger: Ledger

  constructor(parts: StoryParts) {
    this.#parts = parts
    this.#redis = new Redis(parts.redis.url, { disconnectTimeout: 100 })
    this.#ledger = new Ledger({ redis: this.#redis, applicationName: parts.applicationName })
    this.#narrator = new Narrator(parts.interruption, () => {
      for (const instance of this.#instances.values()) instance.check()
    })
  }

  async tell(): Promise<void> {
    try {
      this.#narrator.step('Redis')
      this.#narrator.say(this.#parts.redis.description)
      await this.#clocksAreApart()
      await this.#oneIsKilledAtWork()
      await this.#oneIsStopped()
      await this.#allStop()
    } catch (error) {
      if (!this.#parts.interruption.aborted) this.#showLogs()
      throw error
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const instance of this.#instances.values()) await instance[Symbol.asyncDispose]()
    this.#redis.disconnect()
  }

  async #clocksAreApart(): Promise<void> {
    this.#narrator.step('Three instances on the default manager, with one lock; their clocks are apart')
    this.#narrator.say(
      `process ${this.#start('a', 0).pid} is a`,
      `process ${this.#start('b', -2_300).pid} is b, 2.3 s late`,
      `process ${this.#start('c', 1_200).pid} is c, 1.2 s ahead: it comes to most slots first`,
      '',
    )
    await this.#showNext(10)
  }

  async #oneIsKilledAtWork(): Promise<void> {
    this.#narrator.step('c is killed (SIGKILL) in the middle of a stock-report')
    await this.#narrator.until('c is at work', async () => {
      const entry = (await this.#ledger.entries()).findLast(({ worker }) => worker === 'stock-report')
      return entry?.instance === 'c' && entry.what === 'begins'
    })
    await this.#instances.get('c')?.kill()
    this.#narrator.say('its locks expire within 4 s; until then slots of what it ran are skipped, never doubled')
    const isReport = ({ worker, instance }: LedgerEntry) => worker === 'stock-report' && instance !== 'c'
    await this.#showNext(10, isReport)
  }

  async #oneIsStopped(): Promise<void> {
    this.#narrator.step('a is stopped (SIGTERM): it gives its locks back, and b takes over at once')
    await this.#instances.get('a')?.stop()
    await this.#showNext(5, ({ instance }) => instance === 'b')
  }

  async #allStop(): Promise<void> {
    this.#narrator.step('b stops too; what the ledger says')
    await this.#instances.get('b')?.stop()
    const entries = await this.#ledger.entries()
    const runs = entries.filter(({ what }) => what === 'begins')
    const countOn = (name: string) => runs.filter(({ instance }) => instance === name).length
    const locks = await this.#redis.keys(`{${this.#parts.applicationName}}:lock:*`)
    const rows: Record<string, string | number> = {
      runs: runs.length,
      'on a, b and c': `${countOn('a')}, ${countOn('b')} and ${countOn('c')}`,
      'slots that ran twice': repeatedSlots(entries).length,
      'runs that overlapped': overlappingRuns(entries, 'c').length,
      'locks left behind': locks.length,
    }
    this.#narrator.say(...Object.entries(rows).map(([title, value]) => `${title.padEnd(22)}${value}`))
  }

  #start(name: string, clockErrorMs: number): Instance {
    const { redis, applicationName, logFolder } = this.#parts
    const env = { CLOCK_ERROR_MS: `${clockErrorMs}` }
    const instance = new Instance(name, {
      redisUrl: redis.url,
      applicationName,
      logFolder,
      application: APPLICATION,
      env,
    })
    this.#instances.set(name, instance)
    return instance
  }

  /** Waits until so many runs have begun since the call, at least one of them as is wanted, and shows them. */
  async #showNext(count: number, isWanted: (entry: LedgerEntry) => boolean = () => true): Promise<void> {
    const { length } = await this.#ledger.entries()
    let begun: LedgerEntry[] = []
    await this.#narrator.until(`${count} more runs have begun`, async () => {
      begun = (await this.#ledger.entries()).slice(length).filter(({ what }) => what === 'begins')
      return begun.length >= count && begun.some(isWanted)
    })
    this.#narrator.say(...begun.map(describeEntry))
  }

  /** Something went wrong: the logs go with the folder, so their last lines are shown. */
  #showLogs(): void {
    for (const { name, lastLogLines } of this.#instances.values()) {
      console.error(`\nThe last lines of the log of ${name}:`)
      for (const line of lastLogLines) console.error(line)
    }
  }
}

/** `12:00:01.250  order-sync    on c` */
function describeEntry({ worker, slot, instance }: LedgerEntry): string {
  return `${slot.slice(11, 23)}  ${worker.padEnd(14)}on ${instance}`
}
