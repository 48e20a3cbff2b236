import type { Dashboard } from '@background-workers/dashboard'
import { type FastifyInstance, fastify } from 'fastify'

/** For a dashboard with `basePath: '/dashboard'`. */
export function createFastifyApp(dashboard: Dashboard): FastifyInstance {
  const app = fastify()
  app.get('/', async () => 'The shop. Its dashboard is at /dashboard/.')
  app.register(async (scope) => {
    // The dashboard reads its forms itself.
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser('*', (_request, _payload, done) => done(null))
    for (const path of ['/dashboard', '/dashboard/*']) {
      scope.all(path, (request, reply) => {
        reply.hijack()
        dashboard.nodeHandler(request.raw, reply.raw)
      })
    }
  })
  return app
}
