import { type DefaultManagerOptions, DefaultBackgroundWorkerManager } from '@background-workers/default-manager'
import { type FastifyInstance, type FastifyServerOptions, fastify } from 'fastify'
import { backgroundWorkers } from './background-workers.ts'
import { sessions } from './sessions.ts'
import { workerRoutes } from './worker-routes.ts'

/** What the tests set otherwise. */
export interface AppOptions {
  readonly server?: FastifyServerOptions
  readonly workers?: DefaultManagerOptions
}

/** The application, which does not listen yet. */
export async function buildApp({ server, workers }: AppOptions = {}): Promise<FastifyInstance> {
  const app = fastify(server)
  await app.register(backgroundWorkers, {
    // With BullMQ: new BullMqBackgroundWorkerManager({ ...options, applicationName: 'shop', connection: 'redis://…' })
    createManager: (options) => new DefaultBackgroundWorkerManager({ ...options, ...workers }),
  })
  await app.register(sessions)
  await app.register(workerRoutes)
  return app
}
