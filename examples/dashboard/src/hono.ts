import type { Dashboard } from '@background-workers/dashboard'
import { Hono } from 'hono'

/** For a dashboard with `basePath: '/dashboard'`. */
export function createHonoApp(dashboard: Dashboard): Hono {
  const app = new Hono()
  app.get('/', (c) => c.text('The shop. Its dashboard is at /dashboard/.'))
  app.all('/dashboard/*', (c) => dashboard.fetch(c.req.raw))
  return app
}
