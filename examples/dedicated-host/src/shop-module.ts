import type { BackgroundWorkerOptions } from '@background-workers/abstractions'
import { bullMqBackgroundWorkerManager } from '@background-workers/bullmq-manager/register'
import { defaultBackgroundWorkerManager } from '@background-workers/default-manager/register'
import { type ApplicationModule, BackgroundWorkersModule, defineModule } from '@background-workers/hosting'
import { asClass, asValue } from 'awilix'
import { SignupRepository } from './signup-repository.ts'
import { WelcomeMailerWorker } from './welcome-mailer-worker.ts'

const {
  MANAGER = 'default',
  APPLICATION_NAME: applicationName = 'shop',
  REDIS_URL: connection = 'redis://127.0.0.1:6379',
  DATABASE_FILE: databaseFile = 'shop.db',
} = process.env

/** The application, the same in both processes but for `isEnabled`. */
export function shopModule({ isEnabled = true }: BackgroundWorkerOptions): ApplicationModule {
  return defineModule({
    name: 'shop',
    dependsOn: [BackgroundWorkersModule],

    configureServices(container) {
      container.register(
        MANAGER === 'bullmq'
          ? bullMqBackgroundWorkerManager({ applicationName, connection, isEnabled })
          : defaultBackgroundWorkerManager({ applicationName, isEnabled }),
      )
      container.register({
        databaseFile: asValue(databaseFile),
        signupRepository: asClass(SignupRepository)
          .scoped()
          .disposer((signups) => signups.close()),
      })
    },

    async onApplicationInitialization(context) {
      // Also where workers are disabled: it is checked and kept, and not run.
      await context.addBackgroundWorker(WelcomeMailerWorker)
    },
  })
}
