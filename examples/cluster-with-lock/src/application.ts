import { type Clock, systemClock } from '@background-workers/abstractions'
import { createApplication, runApplication } from '@background-workers/hosting'
import { asValue, createContainer } from 'awilix'
import { pino } from 'pino'
import { ShopModule } from './shop-module.ts'

// One instance of the application. Start as many as you like: each slot runs on one of them.
const { REDIS_URL, APPLICATION_NAME, INSTANCE_NAME, CLOCK_ERROR_MS = '0' } = process.env
// Only for the story: as if the clock of this machine were wrong.
const clock: Clock = { ...systemClock, now: () => Date.now() + Number(CLOCK_ERROR_MS) }
const container = createContainer().register({
  redisUrl: asValue(REDIS_URL ?? 'redis://127.0.0.1:6379'),
  applicationName: asValue(APPLICATION_NAME ?? 'shop'),
  instanceName: asValue(INSTANCE_NAME ?? `process ${process.pid}`),
  clock: asValue(clock),
})
const application = await createApplication(ShopModule, { container, logger: pino() })

// Only for the story: should `main.ts` be killed, this ends too.
process.once('disconnect', () => void application.stop())
process.channel?.unref()

await runApplication(application)
await container.dispose()
