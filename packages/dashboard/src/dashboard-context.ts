import type { WorkerStatus } from '@background-workers/abstractions'
import type { Context } from 'hono'
import type { Activity } from './activity.ts'
import type { Audit } from './audit.ts'
import type { DashboardAction, Operator } from './authorize.ts'
import type { KnownHealth } from './health-reader.ts'
import type { LiveUpdates } from './live-updates.ts'
import { findOperation } from './operations.ts'
import type { FilledOptions } from './options.ts'
import type { PageFrame } from './pages/layout.ts'
import type { SharedReading } from './shared-reading.ts'
import { isWorkerName } from './worker-name.ts'

/** What all routes share. */
export interface DashboardParts {
  readonly options: FilledOptions
  readonly audit: Audit
  readonly list: SharedReading<readonly WorkerStatus[]>
  readonly health: SharedReading<KnownHealth>
  readonly activity: Activity
  readonly live: LiveUpdates
}

/** What a request carries from its permission to its route. */
export interface DashboardEnv {
  Variables: { purpose: Purpose; operator: Operator }
}

/** A request of the dashboard. */
export type DashboardContext = Context<DashboardEnv>

/** What a request is for. */
export interface Purpose {
  readonly action: DashboardAction
  readonly worker?: string
}

/**
 * Reads from method and path what a request is for, so that one place asks `authorize` for all of them. The form of an
 * action is for that action. A name that no worker can have stays out of it.
 */
export function purposeOf(method: string, path: string): Purpose {
  const [, top, name = '', ...rest] = path.split('/')
  if (top !== 'workers' || !isWorkerName(name)) return { action: 'view' }
  const names = rest[0] === 'confirm' ? rest.slice(1) : method === 'POST' ? rest : []
  const operation = names.length === 1 ? findOperation(names[0] as string) : undefined
  return { action: operation?.action ?? 'view', worker: name }
}

/** What the pages of a request share. */
export function frameOf(c: DashboardContext, { title, errors }: FilledOptions): PageFrame {
  return { title, errors, root: rootOf(c.req.path), operator: c.get('operator'), now: Date.now() }
}

/** From a path to the dashboard's root. */
export function rootOf(path: string): string {
  return '../'.repeat(path.split('/').length - 2) || './'
}
