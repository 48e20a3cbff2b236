import type { IBackgroundWorkerManager } from '@background-workers/abstractions'
import type { SignupRepository } from './signup-repository.ts'

/** What a request does. It gives what is sent as JSON. */
export type Route = (name: string) => unknown

const BY = { by: 'the web process' }

/** What this web application answers. What is about workers stands behind a login elsewhere. */
export function createRoutes(manager: IBackgroundWorkerManager, signups: SignupRepository): Record<string, Route> {
  return {
    'GET /signups': () => signups.list(),
    'POST /signups/:name': (name) => signups.add(name),

    'GET /workers': () => manager.list(),
    'GET /workers/:name/runs': (name) => manager.runs(name),
    'POST /workers/:name/runs': (name) => manager.trigger(name, BY),
    'PUT /workers/:name/pause': (name) => manager.pause(name, BY),
    'DELETE /workers/:name/pause': (name) => manager.resume(name, BY),
  }
}
