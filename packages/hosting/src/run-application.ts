import { setTimeout as sleep } from 'node:timers/promises'
import { InvalidOptionsError, type Logger, silentLogger } from '@background-workers/abstractions'
import { type SafeLogger, MAX_TIMER_MS, safeLogger, hasMethods } from '@background-workers/abstractions/for-managers'
import closeWithGrace from 'close-with-grace'
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
 * Opens the health endpoint, starts the application (again and again, if need be, unless its error is a mistake in the
 * program), waits, stops it gracefully and closes the endpoint. A second signal, or a second uncaught error, exits at
 * once with 1.
 *
 * Resolves when everything has stopped. `process.exitCode` is set then, and the process ends by itself; only what keeps
 * it alive for longer than `exitGraceMs` makes it exit by force. Without a logger, failures go to the console.
 *
 * @throws InvalidOptionsError, also when the health endpoint's port is in use; then nothing has been started.
 */
export async function runApplication(
  application: Application,
  options: RunApplicationOptions = {},
): Promise<RunApplicationResult> {
  const problem = hasMethods('start', 'stop', 'health')(application)
  if (problem !== undefined) throw new InvalidOptionsError(`runApplication: the application ${problem}`)
  const filled = fillRunOptions(options)
  const logger = safeLogger(application.logger === silentLogger ? failuresOnConsole : application.logger)
  let server: HealthServer | undefined
  if (filled.health) {
    const { port, host, pathPrefix } = filled.health
    server = await openHealthServer(createHealthHandler(application, { pathPrefix }), port, host)
    logger.info({ host, port: server.port }, 'health endpoint opened')
  }
  return new ApplicationProcess(application, filled, logger, server).run()
}

/** What ends a process that has no reason to end: the others that close-with-grace knows stay with Node. */
const SKIPPED_EVENTS: closeWithGrace.AllEvents[] = [
  'SIGQUIT',
  'SIGILL',
  'SIGTRAP',
  'SIGABRT',
  'SIGBUS',
  'SIGFPE',
  'SIGSEGV',
  'SIGUSR2',
  'beforeExit',
]

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

  async run(): Promise<RunApplicationResult> {
    // A process whose workers have no timers, or are disabled, waits for its signal too.
    const keepAlive = setInterval(() => {}, MAX_TIMER_MS)
    const grace = closeWithGrace(
      {
        delay: false,
        logger: false,
        skip: SKIPPED_EVENTS,
        onSecondSignal: (signal) => this.#logger.warn({ signal }, 'second signal, the process exits at once'),
        onSecondError: (err) => this.#logger.error({ err }, 'second uncaught error, the process exits at once'),
      },
      async (cause) => {
        // An error event may come with nothing: Promise.reject(undefined).
        const exitCode = await this.#end(cause.signal, 'err' in cause ? { error: cause.err } : undefined)
        clearInterval(keepAlive)
        await this.#waitForExit(exitCode)
      },
    )
    const end = () => {
      if (!this.#ending.signal.aborted) grace.close()
    }
    void this.#application.stopped.then(end)
    void this.#start().then((isStarted) => {
      if (!isStarted) end()
    })
    return this.#result.promise
  }

  /** Gives `false` when it gives up. Never rejects. */
  async #start(): Promise<boolean> {
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#application.start()
        return true
      } catch (err) {
        if (this.#ending.signal.aborted) return false
        const retryInMs = startRetryDelayMs(this.#options.startRetry, attempt, err)
        if (retryInMs === undefined) {
          this.#startFailure = { error: err }
          this.#logger.error({ err, attempt }, 'application failed to start')
          return false
        }
        this.#logger.warn({ err, attempt, retryInMs }, 'application failed to start, it will be tried again')
        await sleep(retryInMs, undefined, { signal: this.#ending.signal }).catch(() => undefined)
        if (this.#ending.signal.aborted) return false
      }
    }
  }

  async #end(signal: string | undefined, uncaught: { readonly error: unknown } | undefined): Promise<0 | 1> {
    this.#ending.abort()
    if (uncaught) this.#logger.error({ err: uncaught.error }, 'uncaught error, the application stops')
    else if (signal !== undefined) this.#logger.info({ signal }, 'signal received, the application stops')
    const report = await this.#application.stop()
    await this.#server?.close()
    const failure = uncaught ?? this.#startFailure
    const isClean = !failure && report.abandoned.length === 0 && report.errors.length === 0
    const exitCode = isClean ? 0 : 1
    process.exitCode = exitCode
    this.#result.resolve({ exitCode, report, ...failure })
    return exitCode
  }

  /** The process ends by itself during this wait. If it does not, close-with-grace exits it: with 1 after a throw. */
  async #waitForExit(exitCode: 0 | 1): Promise<void> {
    await sleep(this.#options.exitGraceMs, undefined, { ref: false })
    this.#logger.warn({ exitGraceMs: this.#options.exitGraceMs }, 'something keeps the process alive, it is exited')
    if (exitCode !== 0) throw new Error('exit with 1')
  }
}
