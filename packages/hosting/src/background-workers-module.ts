import { type ApplicationModule, defineModule } from './module.ts'

/**
 * The module that an application with background workers depends on (ABP: `AbpBackgroundWorkersModule`). With it the
 * application starts the registered `backgroundWorkerManager` when all modules are initialized, so that the manager sees
 * all workers at once, and stops it before any module is shut down.
 */
export const BackgroundWorkersModule: ApplicationModule = defineModule({ name: 'background-workers' })
