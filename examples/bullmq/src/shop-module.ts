import { bullMqBackgroundWorkerManager } from '@background-workers/bullmq-manager/register'
import { BackgroundWorkersModule, defineModule } from '@background-workers/hosting'
import { asClass, asFunction } from 'awilix'
import { Redis } from 'ioredis'
import { Ledger } from './ledger.ts'
import { DigestWorker, HeartbeatWorker, OrderSyncWorker, PriceAlertWorker, StockReportWorker } from './workers.ts'

/** What the module finds in the container. */
interface Settings {
  readonly redisUrl: string
  readonly applicationName: string
}

/** The application. With the default manager it would differ in one line: `defaultBackgroundWorkerManager()`. */
export const ShopModule = defineModule({
  name: 'shop',
  dependsOn: [BackgroundWorkersModule],

  configureServices(container) {
    container.register(
      bullMqBackgroundWorkerManager(({ redisUrl, applicationName }: Settings) => ({
        connection: redisUrl,
        applicationName,
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
    await context.addBackgroundWorker(HeartbeatWorker)
    await context.addBackgroundWorker(StockReportWorker)
    await context.addBackgroundWorker(PriceAlertWorker)
  },
})
