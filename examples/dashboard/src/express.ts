import type { Dashboard } from '@background-workers/dashboard'
import express, { type Express } from 'express'

/** Express cuts the path off that it mounts at, so this dashboard needs no `basePath`. */
export function createExpressApp(dashboard: Dashboard): Express {
  const app = express()
  app.get('/', (_request, response) => {
    response.send('The shop. Its dashboard is at /dashboard/.')
  })
  app.use('/dashboard', dashboard.nodeHandler)
  return app
}
