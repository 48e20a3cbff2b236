import type { Clock } from '@background-workers/abstractions'
import { defaultBackgroundWorkerManager } from '@background-workers/default-manager/register'
import { BackgroundWorkersModule, defineModule } from '@background-workers/hosting'
import { redisDistributedLock } from '@background-workers/redis-lock/register'
import { asClass, asFunction } from 'awilix'
import { Redis } from 'ioredis'
import { Ledger } from './ledger.ts'
import { DigestWorker, OrderSyncWorker, StockReportWorker } from './workers.ts'

/** What the module finds in the container. */
interface Settings {
  readonly redisUrl: string
  readonly applicationName: string
  readonly clock: Clock
}

/** The application. Without the second registration every instance would run every worker. */
export const ShopModule = defineModule({
  name: 'shop',
  dependsOn: [BackgroundWorkersModule],

  configureServices(container) {
    container.register(defaultBackgroundWorkerManager(({ clock }: Settings) => ({ clock })))
    container.register(
      redisDistributedLock(({ redisUrl, applicationName }: Settings) => ({
        connection: redisUrl,
        applicationName,
        // So short that you see what a kill leaves behind, and that it ends.
        lockTimeoutMs: 4_000,
      })),
    )
    container.register({
      ledger: asClass(Ledger).singleton(),
      redis: asFunction(({ redisUrl }: Settings) => new Redis(redisUrl, { disconnectTimeout: 100 }))
        .singleton()
        .disposer((redis) => redis.disconnect()),
    })
  },

  async onApplicationInitialization(context) {
    await context.addBackgroundWorker(OrderSyncWorker)
    await context.addBackgroundWorker(DigestWorker)
    await context.addBackgroundWorker(StockReportWorker)
  },
})
