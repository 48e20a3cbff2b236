import { defaultBackgroundWorkerManager } from '@background-workers/default-manager/register'
import { BackgroundWorkersModule, defineModule } from '@background-workers/hosting'
import { asClass } from 'awilix'
import { FlakyReportWorker } from './flaky-report-worker.ts'
import { LogFolder } from './log-folder.ts'
import { OldLogCleanerWorker } from './old-log-cleaner-worker.ts'
import { PassiveUserCheckerWorker } from './passive-user-checker-worker.ts'
import { simulatedOutsideWorld } from './simulated-outside-world.ts'
import { UserRepository } from './user-repository.ts'

/** The application: what it registers, and which workers it has. */
export const AppModule = defineModule({
  name: 'quick-start',
  dependsOn: [BackgroundWorkersModule],

  configureServices(container) {
    container.register(defaultBackgroundWorkerManager())
    container.register({
      // Scoped: each run gets its own, and it is closed when the run has ended.
      userRepository: asClass(UserRepository)
        .scoped()
        .disposer((repository) => repository.close()),
      logFolder: asClass(LogFolder).scoped(),
    })
  },

  async onApplicationInitialization(context) {
    await context.addBackgroundWorker(PassiveUserCheckerWorker)
    await context.addBackgroundWorker(OldLogCleanerWorker)
    await context.addBackgroundWorker(FlakyReportWorker)
    await context.addBackgroundWorker(simulatedOutsideWorld())
  },
})
