import type { IBackgroundWorkerManager, ManagerOptions } from '@background-workers/abstractions'
import { fastifyPlugin } from 'fastify-plugin'

declare module 'fastify' {
  interface FastifyInstance {
    /** Starts and stops with the server. Add workers in plugins; see and control them in routes. */
    readonly backgroundWorkers: IBackgroundWorkerManager
  }
}

/** What the plugin takes. */
export interface BackgroundWorkersOptions {
  /** Makes the manager: `(options) => new DefaultBackgroundWorkerManager(options)`, for example. */
  readonly createManager: (options: Pick<ManagerOptions, 'logger' | 'startTimeoutMs'>) => IBackgroundWorkerManager
}

/**
 * Background workers for Fastify. They start when all plugins are loaded, so the manager sees all workers at once; they
 * stop when no request is under way any more. What their runs use is closed later if it was registered earlier.
 */
export const backgroundWorkers = fastifyPlugin<BackgroundWorkersOptions>(
  async (app, { createManager }) => {
    // Fastify gives an onReady hook 10 s (its option pluginTimeout). A start that has less says itself why it fails.
    const manager = createManager({ logger: app.log, startTimeoutMs: 8_000 })
    app.decorate('backgroundWorkers', manager)
    app.addHook('onReady', () => manager.start())
    app.addHook('onClose', async () => {
      // The manager logs its report: how many runs have finished meanwhile, and which did not end.
      await manager.stop()
    })
  },
  { name: 'background-workers', fastify: '5.x' },
)
