import { createApplication, defineModule, runApplication } from '@background-workers/hosting'
import { asClass } from 'awilix'
import { pino } from 'pino'
import { shopModule } from './shop-module.ts'
import { WebServer } from './web-server.ts'

// The web process: it answers requests and runs no worker, so that heavy work never slows a request down.
const WebModule = defineModule({
  name: 'web',
  dependsOn: [shopModule({ isEnabled: false })],

  configureServices(container) {
    container.register({ webServer: asClass(WebServer).singleton() })
  },

  async onApplicationInitialization({ services, logger }) {
    const port = await services.resolve<WebServer>('webServer').open(Number(process.env.WEB_PORT ?? 0))
    logger.info({ port }, 'web server opened')
  },

  async onApplicationShutdown({ services }) {
    await services.resolve<WebServer>('webServer').close()
  },
})

await runApplication(await createApplication(WebModule, { logger: pino() }))
