import {
  type HealthReport,
  type IBackgroundWorkerManager,
  InvalidOptionsError,
  type Logger,
  type ManagerState,
  ManagerStoppedError,
  type StopOptions,
  type StopReport,
} from '@background-workers/abstractions'
import { type SafeLogger, checkStopOptions, safeLogger } from '@background-workers/abstractions/for-managers'
import type { AwilixContainer } from 'awilix'
import type { ApplicationModule } from './module.ts'
import { ModuleContext } from './module-context.ts'
import { useManager } from './registered-manager.ts'

/** What `createApplication` hands over: everything is checked and configured. */
export interface ApplicationParts {
  /** In dependency order. */
  readonly modules: readonly ApplicationModule[]
  readonly container: AwilixContainer
  readonly ownsContainer: boolean
  /** Whether the application starts and stops the registered manager. */
  readonly hasBackgroundWorkers: boolean
  readonly logger: Logger
}

/** What `stop` gives: the manager's report, and what else went wrong. */
export interface ApplicationStopReport extends StopReport {
  /** What shutdown hooks and disposers threw; each is logged too. */
  readonly errors: readonly unknown[]
}

/** The words of a manager's state, for the application as a whole. */
export type ApplicationState = ManagerState

/**
 * Modules and a manager that start and stop together, once. Made by `createApplication`.
 *
 *     idle -> starting -> running -> stopping -> stopped
 *                      -> idle (the start failed; what is initialized stays so)
 */
export class Application implements AsyncDisposable {
  readonly container: AwilixContainer
  /** What the application reports to. */
  readonly logger: Logger
  /** Resolves when a stop, whoever asked for it, is complete. Never rejects. */
  readonly stopped: Promise<ApplicationStopReport>
  readonly #parts: ApplicationParts
  readonly #log: SafeLogger
  readonly #lastTries = new Map<ApplicationModule, ModuleContext>()
  readonly #initialized = new Map<ApplicationModule, ModuleContext>()
  readonly #reportStop: (report: ApplicationStopReport) => void
  #state: ApplicationState = 'idle'
  #manager: IBackgroundWorkerManager | undefined
  #starting: Promise<void> | undefined
  #stopping: Promise<ApplicationStopReport> | undefined

  constructor(parts: ApplicationParts) {
    this.#parts = parts
    this.container = parts.container
    this.logger = parts.logger
    this.#log = safeLogger(parts.logger)
    const { promise, resolve } = Promise.withResolvers<ApplicationStopReport>()
    this.stopped = promise
    this.#reportStop = resolve
  }

  get state(): ApplicationState {
    // A stop waits for a start that is under way.
    return this.#stopping && this.#state !== 'stopped' ? 'stopping' : this.#state
  }

  /**
   * The registered manager, resolved when it is first needed.
   *
   * @throws InvalidOptionsError where no module depends on `BackgroundWorkersModule`.
   */
  get backgroundWorkerManager(): IBackgroundWorkerManager {
    if (!this.#parts.hasBackgroundWorkers) {
      throw new InvalidOptionsError(
        'No module of this application depends on BackgroundWorkersModule, so nothing would start its background workers. Add it to dependsOn.',
      )
    }
    this.#manager ??= useManager(this.container)
    return this.#manager
  }

  /** The manager's health; where the application has none, or has not come so far, whether it runs. */
  async health(): Promise<HealthReport> {
    if (this.#manager) return this.#manager.health()
    if (this.#state === 'running') return { status: 'ok', reasons: [] }
    return { status: 'unhealthy', reasons: [{ code: 'not-running', message: `The application is ${this.state}.` }] }
  }

  /**
   * Initializes the modules in dependency order, then starts the manager. Idempotent; concurrent calls share one start.
   *
   * Rejects with what a hook, or the manager's `start`, threw. Then it may be called again: it goes on at the module that
   * failed, since workers that are added can not be taken back without harm (a manager's `remove` forgets schedule and
   * pause in the whole application). `stop` shuts down what is initialized, also after a failed start.
   *
   * @throws ManagerStoppedError during and after a stop: an application runs once.
   */
  start(): Promise<void> {
    if (this.#stopping) return Promise.reject(stoppedError())
    if (!this.#starting) {
      const starting = this.#start()
      this.#starting = starting
      starting.catch(() => {
        this.#starting = undefined
      })
    }
    return this.#starting
  }

  /**
   * Stops the manager, then shuts the modules down in reverse order, then disposes the container if the application made
   * it. Idempotent; concurrent calls share one stop. A call during a start waits for the hook that is being called and
   * ends the start there. Never rejects for a hook's sake: see `errors`. Called inside a run it does not wait for that run; a
   * hook must not wait for it.
   *
   * @throws InvalidOptionsError
   */
  async stop(options: StopOptions = {}): Promise<ApplicationStopReport> {
    checkStopOptions(options)
    // Each call reaches the manager, so that a run that waits for a stop under way is not waited for.
    if (this.state === 'stopping') {
      this.#startSettled()
        .then(() => this.#manager?.stop(options))
        .catch(() => undefined)
    }
    this.#stopping ??= this.#stop(options)
    return this.#stopping
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #start(): Promise<void> {
    this.#state = 'starting'
    try {
      for (const module of this.#parts.modules) await this.#initialize(module)
      if (this.#parts.hasBackgroundWorkers) await this.backgroundWorkerManager.start()
      this.#state = 'running'
    } catch (error) {
      this.#state = 'idle'
      throw error
    }
    this.#log.info({ modules: this.#parts.modules.length }, 'application started')
  }

  async #initialize(module: ApplicationModule): Promise<void> {
    if (this.#initialized.has(module)) return
    const context = new ModuleContext(this, this.#log.child({ module: module.name }), this.#lastTries.get(module))
    this.#lastTries.set(module, context)
    try {
      await module.onApplicationInitialization?.(context)
    } catch (err) {
      context.initializationFailed()
      this.#log.error({ err, module: module.name }, 'module failed to initialize')
      throw err
    }
    context.initializationSucceeded()
    this.#initialized.set(module, context)
    if (this.#stopping) throw stoppedError()
  }

  async #stop(options: StopOptions): Promise<ApplicationStopReport> {
    await this.#startSettled()
    this.#state = 'stopping'
    const errors: unknown[] = []
    const attempt = async (work: () => unknown, message: string, data: object = {}) => {
      try {
        await work()
      } catch (err) {
        errors.push(err)
        this.#log.error({ err, ...data }, message)
      }
    }
    let report: StopReport = { finished: 0, abandoned: [] }
    await attempt(async () => {
      if (this.#manager) report = await this.#manager.stop(options)
    }, 'background worker manager failed to stop')
    for (const [module, context] of [...this.#initialized].reverse()) {
      const shutDown = () => module.onApplicationShutdown?.(context)
      await attempt(shutDown, 'module failed to shut down', { module: module.name })
    }
    if (this.#parts.ownsContainer) await attempt(() => this.container.dispose(), 'container failed to dispose')
    this.#state = 'stopped'
    this.#log.info({ ...report, errors: errors.length }, 'application stopped')
    const fullReport = { ...report, errors }
    this.#reportStop(fullReport)
    return fullReport
  }

  /** Whoever has started it knows how that ended. */
  async #startSettled(): Promise<void> {
    await this.#starting?.catch(() => undefined)
  }
}

function stoppedError(): ManagerStoppedError {
  return new ManagerStoppedError(
    'start: the application has been stopped, and it runs once. Make a new one with createApplication().',
  )
}
