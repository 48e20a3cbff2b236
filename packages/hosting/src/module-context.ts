import {
  BackgroundWorkerError,
  type IBackgroundWorker,
  type IBackgroundWorkerManager,
  type Logger,
  type ServiceScope,
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
   * the workers that it had added back, so it needs no care of its own; one that it has removed is added again.
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

/** What the tries to initialize one module share. */
interface Tries {
  /** Added by those that failed, also after that, and not given back yet. */
  readonly left: Map<string, IBackgroundWorker>
  areOver: boolean
}

/**
 * The context of one try to initialize a module. It knows what failed tries have added, so that this one gets that back; a hook
 * that has thrown may still add workers, beside the next try.
 */
export class ModuleContext implements ApplicationInitializationContext {
  readonly container: AwilixContainer
  readonly services: ServiceScope
  readonly logger: Logger
  readonly #source: ContextSource
  readonly #tries: Tries
  /** Added by this try. */
  readonly #added = new Map<string, IBackgroundWorker>()
  #hasFailed = false

  constructor(source: ContextSource, logger: Logger, lastTry?: ModuleContext) {
    this.#source = source
    this.#tries = lastTry ? lastTry.#tries : { left: new Map(), areOver: false }
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
    const tries = this.#tries
    let added: IBackgroundWorker = resolved
    try {
      await manager.add(resolved)
    } catch (error) {
      // Only the manager knows whether it still is there: the hook that failed may have removed it.
      const isThere = BackgroundWorkerError.is(error) && error.code === 'duplicate-worker'
      const left = isThere ? tries.left.get(resolved.name) : undefined
      if (!left) throw error
      added = left
    }
    tries.left.delete(added.name)
    if (!tries.areOver) (this.#hasFailed ? tries.left : this.#added).set(added.name, added)
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
    this.#hasFailed = true
    for (const [name, worker] of this.#added) this.#tries.left.set(name, worker)
    this.#added.clear()
  }

  /** There will be no other try: nothing is given back from now on, so nothing needs to be remembered. */
  initializationSucceeded(): void {
    this.#tries.areOver = true
    this.#tries.left.clear()
    this.#added.clear()
  }
}
