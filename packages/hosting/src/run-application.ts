import { AsyncLocalStorage } from 'node:async_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { InvalidOptionsError, type Logger, silentLogger } from '@background-workers/abstractions'
import { type SafeLogger, MAX_TIMER_MS, safeLogger, hasMethods } from '@background-workers/abstractions/for-managers'
import type { Application, ApplicationStopReport } from './application.ts'
import { createHealthHandler } from './health-handler.ts'
import { type HealthServer, openHealthServer } from './health-server.ts'
import { type FilledRunOptions, type RunApplicationOptions, fillRunOptions } from './run-options.ts'
import { startRetryDelayMs } from './start-retry.ts'

/** How a process ended. */
export interface RunApplicationResult {
  /** 0 after a clean stop; 1 after an uncaught error, a start that was given up, work that was abandoned or a hook that failed. */
  readonly exitCode: 0 | 1
  /** What the stop of the application gave. */
  readonly report: ApplicationStopReport
  /** The uncaught error, or the one of the start. */
  readonly error?: unknown
}

/**
 * Runs an application as the purpose of this process, until SIGINT, SIGTERM, SIGHUP, an uncaught error or its `stop`.
 *
 * Opens the health endpoint, starts the application (again and again, if need be, unless its error is one of awilix, or
 * one of ours that means a mistake), waits, stops it gracefully and closes the endpoint. While it stops the first signal
 * and the first uncaught error change nothing but the exit code; a second signal, or a second uncaught error, exits at
 * once with 1. The same signal again within a second of the first is no second one: a Ctrl+C under `npm start` can
 * arrive twice.
 *
 * Resolves when everything has stopped. `process.exitCode` is set then, and the process ends by itself; only what keeps
 * it alive for longer than `exitGraceMs`, or a signal until then, makes it exit by force, with that code. Without a
 * logger, failures go to the console.
 *
 * @throws InvalidOptionsError, also when the health endpoint's port is in use; then nothing has been started. A process
 * runs one application, once: where it has one already, this throws too.
 */
export async function runApplication(
  application: Application,
  options: RunApplicationOptions = {},
): Promise<RunApplicationResult> {
  const problem = hasMethods('start', 'stop', 'health')(application)
  if (problem !== undefined) throw new InvalidOptionsError(`runApplication: the application ${problem}`)
  if (isTaken) throw new InvalidOptionsError(TAKEN)
  const filled = fillRunOptions(options)
  const logger = safeLogger(application.logger === silentLogger ? failuresOnConsole : application.logger)
  isTaken = true
  let server: HealthServer | undefined
  if (filled.health) {
    const { port, host, pathPrefix } = filled.health
    try {
      server = await openHealthServer(createHealthHandler(application, { pathPrefix }), port, host)
    } catch (error) {
      isTaken = false
      throw error
    }
    logger.info({ host, port: server.port }, 'health endpoint opened')
  }
  return new ApplicationProcess(application, filled, logger, server).run()
}

/** Whether an application has this process: its signals, its uncaught errors, its exit. */
let isTaken = false

const TAKEN =
  'runApplication: this process runs an application already, and ends with it. Let its root module depend on the modules of both, or call start() and stop() of this one.'

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
const ERRORS = ['uncaughtException', 'unhandledRejection'] as const

/** For so long the same signal is the same key press: the terminal sends it to each process, and npm passes its own on. */
const SAME_KEY_PRESS_MS = 1_000

const failuresOnConsole: Logger = {
  ...silentLogger,
  warn: (data, message) => console.warn(message, data),
  error: (data, message) => console.error(message, data),
}

/** One application in one process, from its start to the exit code. */
class ApplicationProcess {
  readonly #application: Application
  readonly #options: FilledRunOptions
  readonly #logger: SafeLogger
  readonly #server: HealthServer | undefined
  readonly #ending = new AbortController()
  readonly #result = Promise.withResolvers<RunApplicationResult>()
  readonly #outsideOfRuns = AsyncLocalStorage.snapshot()
  // A process whose workers have no timers, or are disabled, waits for its signal too.
  readonly #keepAlive = setInterval(() => {}, MAX_TIMER_MS)
  #hasEnded = false
  /** The first one, and when it came, by monotonic time. */
  #signal: { readonly name: NodeJS.Signals; readonly atMs: number } | undefined
  #uncaught: { readonly error: unknown } | undefined
  #startFailure: { readonly error: unknown } | undefined

  constructor(
    application: Application,
    options: FilledRunOptions,
    logger: SafeLogger,
    server: HealthServer | undefined,
  ) {
    this.#application = application
    this.#options = options
    this.#logger = logger
    this.#server = server
  }

  run(): Promise<RunApplicationResult> {
    for (const event of SIGNALS) process.on(event, this.#onSignal)
    for (const event of ERRORS) process.on(event, this.#onError)
    const end = () => void this.#end()
    void this.#application.stopped.then(end)
    void this.#start().then((isStarted) => {
      if (!isStarted) end()
    })
    return this.#result.promise
  }

  readonly #onSignal = (signal: NodeJS.Signals) => {
    const first = this.#signal
    if (first?.name === signal && performance.now() - first.atMs < SAME_KEY_PRESS_MS) {
      this.#logger.debug({ signal }, 'same signal within a second, it counts once')
      return
    }
    if (this.#hasEnded) {
      this.#logger.warn({ signal }, 'signal after everything has stopped, the process exits at once')
      process.exit()
    }
    if (first) {
      this.#logger.warn({ signal }, 'second signal, the process exits at once')
      process.exit(1)
    }
    this.#signal = { name: signal, atMs: performance.now() }
    this.#logger.info({ signal }, 'signal received, the application stops')
    void this.#end()
  }

  readonly #onError = (error: unknown) => {
    if (this.#uncaught) {
      this.#logger.error({ err: error }, 'second uncaught error, the process exits at once')
      process.exit(1)
    }
    // It may be nothing: Promise.reject(undefined).
    this.#uncaught = { error }
    this.#logger.error({ err: error }, 'uncaught error, the application stops')
    void this.#end()
  }

  /** Gives `false` when it gives up. Never rejects. */
  async #start(): Promise<boolean> {
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#application.start()
        return true
      } catch (err) {
        if (this.#isEnding) return false
        const retryInMs = startRetryDelayMs(this.#options.startRetry, attempt, err)
        if (retryInMs === undefined) {
          this.#startFailure = { error: err }
          this.#logger.error({ err, attempt }, 'application failed to start')
          return false
        }
        this.#logger.warn({ err, attempt, retryInMs }, 'application failed to start, it will be tried again')
        await sleep(retryInMs, undefined, { signal: this.#ending.signal }).catch(() => undefined)
        if (this.#isEnding) return false
      }
    }
  }

  /** Also while somebody else stops the application. */
  get #isEnding(): boolean {
    const { state } = this.#application
    return this.#ending.signal.aborted || state === 'stopping' || state === 'stopped'
  }

  /** Stops everything, once, whatever asks for it. */
  async #end(): Promise<void> {
    if (this.#ending.signal.aborted) return
    this.#ending.abort()
    // An uncaught error comes in the context of the run that it comes from, and a stop there would not wait for that run.
    const report = await this.#outsideOfRuns(() => this.#application.stop())
    await this.#server?.close()
    // From here on an uncaught error is Node's, which exits at once with 1.
    for (const event of ERRORS) process.off(event, this.#onError)
    clearInterval(this.#keepAlive)
    const failure = this.#uncaught ?? this.#startFailure
    const isClean = !failure && report.abandoned.length === 0 && report.errors.length === 0
    const exitCode = isClean ? 0 : 1
    process.exitCode = exitCode
    this.#hasEnded = true
    this.#result.resolve({ exitCode, report, ...failure })
    await this.#exitByForce()
  }

  /** The process ends by itself during this wait, or it does not. */
  async #exitByForce(): Promise<void> {
    const { exitGraceMs } = this.#options
    await sleep(exitGraceMs, undefined, { ref: false })
    this.#logger.warn({ exitGraceMs }, 'something keeps the process alive, it is exited')
    process.exit()
  }
}
