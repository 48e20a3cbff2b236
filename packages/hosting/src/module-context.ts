import type {
  IBackgroundWorker,
  IBackgroundWorkerManager,
  Logger,
  ServiceScope,
} from '@background-workers/abstractions'
import type { AwilixContainer } from 'awilix'
import { type BackgroundWorkerClass, resolveWorker } from './add-background-worker.ts'

/** What a module gets when it is shut down. */
export interface ApplicationShutdownContext {
  readonly container: AwilixContainer
  /** Resolves from the container. */
  readonly services: ServiceScope
  /** The application's logger with `module` bound to it. */
  readonly logger: Logger
}

/** What a module gets when it is initialized. It may be kept and used while the application runs. */
export interface ApplicationInitializationContext extends ApplicationShutdownContext {
  /** @throws InvalidOptionsError where no module depends on `BackgroundWorkersModule`. */
  readonly backgroundWorkerManager: IBackgroundWorkerManager
  /**
   * Adds a worker as `addBackgroundWorker(container, Worker)` does. An initialization that failed and is tried again gets
   * the workers that it had added back, so it needs no care of its own.
   *
   * @throws InvalidOptionsError where no module depends on `BackgroundWorkersModule`, so that nothing would start it.
   */
  readonly addBackgroundWorker: <Worker extends IBackgroundWorker>(
    worker: BackgroundWorkerClass<Worker> | Worker,
  ) => Promise<Worker>
}

/** What a context needs of its application. */
export interface ContextSource {
  readonly container: AwilixContainer
  readonly backgroundWorkerManager: IBackgroundWorkerManager
}

/** The context of one module. It knows what a failed initialization had added, so that the next try gets that back. */
export class ModuleContext implements ApplicationInitializationContext {
  readonly container: AwilixContainer
  readonly services: ServiceScope
  readonly logger: Logger
  readonly #source: ContextSource
  /** Added by the try that is under way. */
  readonly #added = new Map<string, IBackgroundWorker>()
  /** Added by tries that failed. */
  readonly #left = new Map<string, IBackgroundWorker>()
  #isInitialized = false

  constructor(source: ContextSource, logger: Logger) {
    this.#source = source
    this.container = source.container
    this.services = { resolve: (name: string) => source.container.resolve<never>(name) }
    this.logger = logger
  }

  get backgroundWorkerManager(): IBackgroundWorkerManager {
    return this.#source.backgroundWorkerManager
  }

  readonly addBackgroundWorker = async <Worker extends IBackgroundWorker>(
    worker: BackgroundWorkerClass<Worker> | Worker,
  ): Promise<Worker> => {
    const manager = this.backgroundWorkerManager
    const resolved = resolveWorker(this.container, worker)
    const left = this.#left.get(resolved?.name)
    if (!left) await manager.add(resolved)
    const added = left ?? resolved
    this.#left.delete(added.name)
    if (!this.#isInitialized) this.#added.set(added.name, added)
    if (added !== resolved) {
      this.logger.warn(
        { worker: added.name },
        'worker was added by a try that failed and is kept; make it once, outside of the hook',
      )
    }
    return added as Worker
  }

  /** The hook threw: what it has added is still in the manager. */
  initializationFailed(): void {
    for (const [name, worker] of this.#added) this.#left.set(name, worker)
    this.#added.clear()
  }

  /** There will be no other try; workers that are added from now on need not be remembered. */
  initializationSucceeded(): void {
    this.#isInitialized = true
    this.#added.clear()
  }
}
