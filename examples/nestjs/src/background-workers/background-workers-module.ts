import type { IBackgroundWorkerManager, ManagerOptions } from '@background-workers/abstractions'
import type { DynamicModule, InjectionToken, ModuleMetadata } from '@nestjs/common'
import { DiscoveryModule, DiscoveryService, ModuleRef } from '@nestjs/core'
import { BackgroundWorkersLifecycle } from './background-workers-lifecycle.ts'
import { nestLogger } from './nest-logger.ts'
import { nestScopeFactory } from './nest-scope-factory.ts'

/** Injects the manager: `Inject(BACKGROUND_WORKER_MANAGER)`. */
export const BACKGROUND_WORKER_MANAGER = Symbol('background worker manager')

/** What `BackgroundWorkersModule.forRoot` takes. */
export interface BackgroundWorkersModuleOptions {
  /** The modules that export what `inject` names. */
  readonly imports?: ModuleMetadata['imports']
  /** What `createManager` gets beside the options, a configuration for example. */
  readonly inject?: readonly InjectionToken[]
  /** Makes the manager of the options that Nest needs and of its own. */
  readonly createManager: (
    options: Pick<ManagerOptions, 'logger' | 'scopeFactory'>,
    ...injected: never[]
  ) => IBackgroundWorkerManager
}

/**
 * Background workers for Nest. Every provider that is a worker, of whatever module, is added when all modules are
 * initialised (`onModuleInit`); then the manager starts. It stops before `onApplicationShutdown`.
 *
 * The module is global, so Nest calls its hooks before those of other modules at the start, and after them at the end:
 * what runs use must be open before `onApplicationBootstrap`, and stay open until `onApplicationShutdown`.
 */
// biome-ignore lint/complexity/noStaticOnlyClass: so are the dynamic modules of Nest
export class BackgroundWorkersModule {
  static forRoot({ imports = [], inject = [], createManager }: BackgroundWorkersModuleOptions): DynamicModule {
    return {
      module: BackgroundWorkersModule,
      global: true,
      imports: [DiscoveryModule, ...imports],
      providers: [
        {
          provide: BACKGROUND_WORKER_MANAGER,
          inject: [ModuleRef, ...inject],
          useFactory: (moduleRef: ModuleRef, ...injected: never[]) =>
            createManager(
              { logger: nestLogger('BackgroundWorkers'), scopeFactory: nestScopeFactory(moduleRef) },
              ...injected,
            ),
        },
        {
          provide: BackgroundWorkersLifecycle,
          inject: [BACKGROUND_WORKER_MANAGER, DiscoveryService],
          useFactory: (manager: IBackgroundWorkerManager, discovery: DiscoveryService) =>
            new BackgroundWorkersLifecycle(manager, discovery),
        },
      ],
      exports: [BACKGROUND_WORKER_MANAGER],
    }
  }
}
