import { BackgroundWorkerBase, type IBackgroundWorkerManager } from '@background-workers/abstractions'
import type { BeforeApplicationShutdown, OnApplicationBootstrap } from '@nestjs/common'
import type { DiscoveryService } from '@nestjs/core'

/** Starts and stops the manager with the application. */
export class BackgroundWorkersLifecycle implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #manager: IBackgroundWorkerManager
  readonly #discovery: DiscoveryService

  constructor(manager: IBackgroundWorkerManager, discovery: DiscoveryService) {
    this.#manager = manager
    this.#discovery = discovery
  }

  async onApplicationBootstrap(): Promise<void> {
    for (const worker of this.#findWorkers()) await this.#manager.add(worker)
    await this.#manager.start()
  }

  /** Lets the runs under way finish, before `onApplicationShutdown` closes what they use. The manager logs its report. */
  async beforeApplicationShutdown(): Promise<void> {
    await this.#manager.stop()
  }

  /** Each of them once, however many names it is provided under. */
  #findWorkers(): Set<BackgroundWorkerBase> {
    const workers = new Set<BackgroundWorkerBase>()
    for (const wrapper of this.#discovery.getProviders()) {
      if (!(wrapper.instance instanceof BackgroundWorkerBase)) continue
      if (!wrapper.isDependencyTreeStatic()) {
        throw new Error(
          `${wrapper.name} is a worker, and so a singleton, but it or something it injects is request-scoped. Resolve that in doWork, from context.services.`,
        )
      }
      workers.add(wrapper.instance)
    }
    return workers
  }
}
