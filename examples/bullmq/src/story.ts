import { type RunRecord, every } from '@background-workers/abstractions'
import { describeEntry, describeRecord, describeWorker, timeOf } from './describe.ts'
import type { ExampleRedis } from './example-redis.ts'
import { Instance } from './instance.ts'
import type { LedgerEntry } from './ledger.ts'
import { Narrator } from './narrator.ts'
import { repeatedSlots, summarize } from './summary.ts'
import { WebInstance } from './web-instance.ts'

/** What the story is told with. */
export interface StoryParts {
  readonly redis: ExampleRedis
  readonly applicationName: string
  /** Where the instances write their logs. */
  readonly logFolder: string
  readonly interruption: AbortSignal
}

const THE_STORY = { by: 'the story' }
const LEAST_DOWN_TIME_MS = 5_000
/** The period of stock-report and price-alert, and how late for one of their slots the instances come back. */
const TEN_SECONDS_MS = 10_000
const LATE_MS = 1_500
const QUIET_MS = 200

/** Two instances of one application: what happens when one is killed, and when all are gone for a while. */
export class Story implements AsyncDisposable {
  readonly #parts: StoryParts
  readonly #narrator: Narrator
  readonly #instances = new Map<string, Instance>()
  #web: WebInstance
  #stoppedAt = new Date()

  constructor(parts: StoryParts) {
    this.#parts = parts
    this.#web = new WebInstance(parts.redis.url, parts.applicationName)
    this.#narrator = new Narrator(parts.interruption, () => {
      for (const instance of this.#instances.values()) instance.check()
    })
  }

  async tell(): Promise<void> {
    try {
      await this.#tellAll()
    } catch (error) {
      if (!this.#parts.interruption.aborted) this.#showLogs()
      throw error
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const instance of this.#instances.values()) await instance[Symbol.asyncDispose]()
    await this.#web[Symbol.asyncDispose]()
  }

  async #tellAll(): Promise<void> {
    this.#narrator.step('Redis')
    this.#narrator.say(this.#parts.redis.description)
    await this.#web.start()
    await this.#twoInstancesTakeTurns()
    await this.#oneIsKilled()
    await this.#workersAreControlled()
    await this.#nothingRunsForAWhile()
    await this.#everythingIsStillThere()
    await this.#downTimeIsHandled()
    await this.#allStop()
  }

  /** Something went wrong: the logs go with the folder, so their last lines are shown. */
  #showLogs(): void {
    for (const { name, lastLogLines } of this.#instances.values()) {
      console.error(`\nThe last lines of the log of ${name}:`)
      for (const line of lastLogLines) console.error(line)
    }
  }

  async #twoInstancesTakeTurns(): Promise<void> {
    const narrator = this.#narrator
    narrator.step('Two instances of the application take turns')
    narrator.say(`process ${this.#start('a').pid} is a, process ${this.#start('b').pid} is b; they have five workers:`)
    await narrator.until('the workers are in Redis', async () => (await this.#web.manager.list()).length === 5)
    narrator.say(...(await this.#web.manager.list()).map(describeWorker), '')
    await narrator.until('both have run something', async () => {
      const entries = await this.#web.ledger.entries()
      return entries.length >= 8 && ['a', 'b'].every((name) => entries.some(({ instance }) => instance === name))
    })
    const entries = await this.#web.ledger.entries()
    narrator.say(...entries.map(describeEntry))
    narrator.say(`slots that ran twice: ${repeatedSlots(entries).length} of ${entries.length}`)
  }

  async #oneIsKilled(): Promise<void> {
    this.#narrator.step('b is killed (SIGKILL), a goes on')
    await this.#narrator.until('no run is near', () => this.#isQuiet())
    await this.#instances.get('b')?.kill()
    const killedAt = new Date()
    this.#narrator.say(...(await this.#newEntries(5)).map(describeEntry))
    await this.#narrator.until('no run of b is left', async () => {
      const workers = await this.#web.manager.list()
      return !workers.some(({ activeRun }) => activeRun?.startedAt && activeRun.startedAt < killedAt)
    })
  }

  async #workersAreControlled(): Promise<void> {
    this.#narrator.step('The web process pauses digest and gives heartbeat another schedule')
    await this.#web.manager.pause('digest', { ...THE_STORY, note: 'nobody reads it' })
    await this.#web.manager.reschedule('heartbeat', every('3s'), THE_STORY)
    this.#narrator.say(...(await this.#newEntries(2, isChanged)).map(describeEntry))
  }

  async #nothingRunsForAWhile(): Promise<void> {
    const { redis, applicationName } = this.#parts
    this.#narrator.step('Everything stops')
    await this.#narrator.until('no run is near', () => this.#isQuiet())
    await this.#stop('a')
    this.#stoppedAt = new Date()
    this.#narrator.say('a has finished what ran and has ended with exit code 0; b is dead')
    await this.#sayWhatIsKept()
    await this.#web[Symbol.asyncDispose]()
    await redis.restart?.()
    this.#narrator.say(redis.restart ? 'Redis has been stopped and started again' : 'your Redis is left alone')
    const slotMs = Math.ceil((Date.now() + LEAST_DOWN_TIME_MS) / TEN_SECONDS_MS) * TEN_SECONDS_MS
    const backAtMs = slotMs + LATE_MS
    const waitMs = backAtMs - Date.now()
    const ofTens = `${timeOf(new Date(slotMs))} of stock-report and price-alert`
    this.#narrator.say(`for ${Math.round(waitMs / 1_000)} s slots go by, among them ${ofTens} ...`)
    await this.#narrator.until('they have gone by', () => Date.now() > backAtMs)
    this.#web = new WebInstance(redis.url, applicationName)
    await this.#web.start()
  }

  async #everythingIsStillThere(): Promise<void> {
    this.#narrator.step('Nothing runs, and the web process finds everything in Redis')
    await this.#sayWhatIsKept()
  }

  async #sayWhatIsKept(): Promise<void> {
    for (const worker of await this.#web.manager.list()) {
      const records = await this.#web.manager.runs(worker.name)
      this.#narrator.say(`${describeWorker(worker)}, ${records.length} records`)
    }
  }

  async #downTimeIsHandled(): Promise<void> {
    this.#narrator.step('Both start again: what was missed is handled by policy, pause and override are in force')
    this.#start('a')
    this.#start('b')
    for (const worker of ['order-sync', 'stock-report', 'price-alert']) {
      await this.#narrator.until(
        `${worker} is decided`,
        async () => (await this.#firstSinceStop(worker))?.outcome !== undefined,
      )
      this.#narrator.say(describeRecord((await this.#firstSinceStop(worker)) as RunRecord))
    }
    this.#narrator.say(...(await this.#newEntries(2, isChanged)).map(describeEntry))
  }

  async #allStop(): Promise<void> {
    this.#narrator.step('Both stop, and the web process sums up what Redis holds')
    await Promise.all([this.#stop('a'), this.#stop('b')])
    this.#narrator.say(...(await summarize(this.#web)))
  }

  async #firstSinceStop(worker: string): Promise<RunRecord | undefined> {
    const records = await this.#web.manager.runs(worker)
    return records.findLast(({ scheduledFor }) => scheduledFor > this.#stoppedAt)
  }

  #start(name: string): Instance {
    const { redis, applicationName, logFolder } = this.#parts
    const instance = new Instance(name, { redisUrl: redis.url, applicationName, logFolder })
    this.#instances.set(name, instance)
    return instance
  }

  async #stop(name: string): Promise<void> {
    await this.#instances.get(name)?.stop()
  }

  /** Waits until so many entries have been added since the call, and gives them. */
  async #newEntries(count: number, isWanted: (entry: LedgerEntry) => boolean = () => true): Promise<LedgerEntry[]> {
    const { ledger } = this.#web
    const { length } = await ledger.entries()
    let added: LedgerEntry[] = []
    await this.#narrator.until(`${count} more entries are in the ledger`, async () => {
      added = (await ledger.entries()).slice(length).filter(isWanted)
      return added.length >= count
    })
    return added
  }

  /**
   * Nothing runs, has just run or is about to, so that the kill takes no run along. That run would be recorded as lost,
   * and the worker's slots skipped, until its lease has run out: some 25 s, too long for this story.
   */
  async #isQuiet(): Promise<boolean> {
    const now = Date.now()
    const isBusy = (date: Date | undefined) => date !== undefined && Math.abs(date.getTime() - now) < QUIET_MS
    const workers = await this.#web.manager.list()
    return workers.every(
      ({ activeRun, lastRun, nextDueAt }) => !activeRun && !isBusy(lastRun?.finishedAt) && !isBusy(nextDueAt),
    )
  }
}

/** Of the two workers whose pause and schedule the web process has changed. */
function isChanged({ worker }: LedgerEntry): boolean {
  return worker === 'digest' || worker === 'heartbeat'
}
