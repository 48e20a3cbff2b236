import { BullMqBackgroundWorkerManager } from '@background-workers/bullmq-manager'
import { DefaultBackgroundWorkerManager } from '@background-workers/default-manager'
import { Module, Scope } from '@nestjs/common'
import { REQUEST } from '@nestjs/core'
import { AppConfig, AppConfigModule } from './app-config.ts'
import { BackgroundWorkersModule } from './background-workers/background-workers-module.ts'
import { Database } from './database.ts'
import { Mailer } from './mailer.ts'
import { NewsletterWorker } from './newsletter-worker.ts'
import { PassiveUserCheckerWorker } from './passive-user-checker-worker.ts'
import { UserRepository } from './user-repository.ts'

/** The application: its manager, its workers, and what they use. */
export class AppModule {}

// What `@Module({ … })` above the class does. Here Node runs TypeScript by taking the types away, and a decorator is no
// type; so decorators are called as the functions that they are. In your application write them as ever.
Module({
  imports: [
    BackgroundWorkersModule.forRoot({
      imports: [AppConfigModule],
      inject: [AppConfig],
      // The swap. Nothing else in this application depends on it.
      createManager: (options, { manager, applicationName, redisUrl }: AppConfig) =>
        manager === 'bullmq'
          ? new BullMqBackgroundWorkerManager({ ...options, applicationName, connection: redisUrl })
          : new DefaultBackgroundWorkerManager({ ...options, applicationName }),
    }),
  ],
  providers: [
    // A worker is a provider. This is all there is to do for it.
    PassiveUserCheckerWorker,
    NewsletterWorker,

    Database,
    Mailer,
    {
      provide: 'userRepository',
      scope: Scope.REQUEST,
      inject: [Database, REQUEST],
      useFactory: (database: Database, run: AsyncDisposableStack) => run.use(new UserRepository(database)),
    },
  ],
})(AppModule)
