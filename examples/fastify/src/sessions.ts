import { every, periodicWorker } from '@background-workers/abstractions'
import { fastifyPlugin } from 'fastify-plugin'
import { SessionStore } from './session-store.ts'

/** A feature of the application: its state, its routes and its worker in one plugin. */
export const sessions = fastifyPlugin(
  async (app) => {
    const store = new SessionStore()

    // Added when the plugin is loaded, and started with all others.
    await app.backgroundWorkers.add(
      periodicWorker({
        name: 'expired-session-cleaner',
        schedule: every('10m'),
        async doWork({ scheduledFor, logger }) {
          const closed = store.closeExpired(scheduledFor)
          logger.info({ closed }, 'expired sessions closed')
        },
      }),
    )

    app.get('/sessions', async () => store.users)

    app.put<{ Params: { user: string }; Querystring: { expiresAt: string } }>(
      '/sessions/:user',
      async (request, reply) => {
        store.open(request.params.user, new Date(request.query.expiresAt))
        return reply.code(204).send()
      },
    )
  },
  { name: 'sessions', dependencies: ['background-workers'] },
)
