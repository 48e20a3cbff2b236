import { setTimeout as sleep } from 'node:timers/promises'
import { TestProcess } from 'test-process'
import { type TcpProxy, startTcpProxy } from 'test-redis'
import type { ApplicationRequest, ApplicationSettings } from './application.ts'
import type { Journal } from './journal.ts'

/** What all seats of a cluster have in common. */
export interface SeatParts {
  readonly journal: Journal
  readonly settings: Omit<ApplicationSettings, 'redisUrl' | 'release' | 'process'>
  readonly lifetimeMs: number
  /** Options of Node: what it is to load first. */
  readonly nodeArgs: readonly string[]
  nextProcess(): number
}

// `Omit` would merge the union.
type Request = ApplicationRequest extends infer Each ? (Each extends { id: number } ? Omit<Each, 'id'> : never) : never

const APPLICATION = new URL('application.ts', import.meta.url)
const CLOCK_OFFSET = import.meta.resolve('test-process/clock-offset')

/** How soon a process that died comes back. */
const COMES_BACK_MS = 1_000

/** So long a process may take to end after it was told to stop. */
const MAX_STOP_MS = 40_000

/**
 * The place of one process and its own way to Redis. When the process dies another one takes its place.
 *
 *     down -> starting -> started -> stopping -> down
 *     any -> died -> starting (1 s later, unless it is closed)
 */
export class Seat implements AsyncDisposable {
  readonly number: number
  readonly proxy: TcpProxy
  release: number
  readonly #parts: SeatParts
  #process: { readonly child: TestProcess; readonly number: number } | undefined
  #started = Promise.withResolvers<void>()
  #isEndExpected = false
  #isClosed = false
  #requests = 0
  #turn: Promise<unknown> = Promise.resolve()

  private constructor(number: number, release: number, proxy: TcpProxy, parts: SeatParts) {
    this.number = number
    this.release = release
    this.proxy = proxy
    this.#parts = parts
  }

  static async open(number: number, release: number, redisUrl: string, parts: SeatParts): Promise<Seat> {
    return new Seat(number, release, await startTcpProxy(redisUrl), parts)
  }

  /** The number of its process in the journals. */
  get process(): number {
    return this.#process?.number ?? -1
  }

  /** One after the other: `work` begins when what was asked for before is over and a process has started here. */
  inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(async () => {
      await this.#started.promise
      return work()
    })
    this.#turn = done.catch(() => {})
    return done
  }

  /** Starts a process here; resolves when its manager has started. */
  async spawn(): Promise<void> {
    if (this.#isClosed) return
    const { settings, journal, nodeArgs, lifetimeMs } = this.#parts
    const number = this.#parts.nextProcess()
    this.#isEndExpected = false
    const own = { ...settings, redisUrl: this.proxy.url, release: this.release, process: number }
    const child = new TestProcess(APPLICATION, {
      args: [JSON.stringify(own satisfies ApplicationSettings)],
      nodeArgs: ['--trace-warnings', '--import', CLOCK_OFFSET, ...nodeArgs],
      lifetimeMs,
    })
    journal.write({ event: 'spawned', seat: this.number, release: this.release, spawned: number })
    this.#process = { child, number }
    void child.exit.then(({ code, signal }) => this.#ended(child, number, code, signal))
    await child.line('started').then(
      () => this.#started.resolve(),
      // It died first; another one comes.
      () => {},
    )
    await this.#started.promise
  }

  /** Resolves when the request is carried out, or its process has ended. */
  async ask(request: Request): Promise<void> {
    const child = this.#process?.child
    if (!child) return
    const id = ++this.#requests
    child.send({ id, ...request } as ApplicationRequest)
    await child.line(`done ${id}`).catch(() => {})
  }

  signal(signal: NodeJS.Signals): void {
    this.#process?.child.signal(signal)
  }

  /** Kills the process; another one is started after so long. Resolves when it has started. */
  async kill(downMs: number): Promise<void> {
    this.#isEndExpected = true
    this.#started = Promise.withResolvers()
    this.signal('SIGKILL')
    await this.#process?.child.exit
    await sleep(downMs)
    await this.spawn()
  }

  /** Stops the process gracefully. It is killed when it does not end, which the journal shows. */
  async stop(): Promise<void> {
    const child = this.#process?.child
    if (!child) return
    this.#isEndExpected = true
    this.#started = Promise.withResolvers()
    // Its answer may not come any more.
    void this.ask({ what: 'stop' })
    const hasEnded = await Promise.race([child.exit.then(() => true), sleep(MAX_STOP_MS, false, { ref: false })])
    if (hasEnded) return
    const text = `process ${this.process} has not ended ${MAX_STOP_MS} ms after it was told to stop`
    this.#parts.journal.write({ event: 'problem', text })
    child.signal('SIGKILL')
    await child.exit
  }

  /** A graceful stop, and a new process, of another release if that is said. */
  async restart(release = this.release): Promise<void> {
    await this.stop()
    this.release = release
    await this.spawn()
  }

  /** Resolves when its process dies, or gives `false` after so long. */
  diesWithin(ms: number): Promise<boolean> {
    const { child } = this.#process ?? {}
    return Promise.race([child?.exit.then(() => true) ?? true, sleep(ms, false, { ref: false })])
  }

  /** Resolves with `true` when the process says that its marathon has begun. */
  beginsMarathonWithin(ms: number): Promise<boolean> {
    const { child } = this.#process ?? {}
    if (!child) return Promise.resolve(false)
    const count = () => child.lines.filter((line) => line === 'marathon').length
    const before = count()
    const begun = child
      .until('a marathon', () => count() > before)
      .then(
        () => true,
        () => false,
      )
    return Promise.race([begun, sleep(ms, false, { ref: false })])
  }

  /** Resolves when a process has started here. */
  get started(): Promise<void> {
    return this.#started.promise
  }

  /** No process comes back from here on. */
  close(): void {
    this.#isClosed = true
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
    this.#started.resolve()
    await this.#process?.child[Symbol.asyncDispose]()
    await this.proxy.close()
  }

  #ended(child: TestProcess, number: number, code: number | null, signal: string | null): void {
    const { journal } = this.#parts
    journal.write({ event: 'exited', exited: number, code, signal })
    if (code !== null && code !== 0) journal.write({ event: 'problem', text: `process ${number} ended with ${code}` })
    if (child.stderr.trim() !== '') journal.write({ event: 'problem', text: `process ${number}: ${child.stderr}` })
    if (this.#isEndExpected || this.#isClosed) return
    this.#started = Promise.withResolvers()
    void sleep(COMES_BACK_MS).then(() => this.spawn())
  }
}
