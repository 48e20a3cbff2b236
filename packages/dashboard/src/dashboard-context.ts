import type { WorkerStatus } from '@background-workers/abstractions'
import type { Context } from 'hono'
import type { Activity } from './activity.ts'
import type { Audit } from './audit.ts'
import type { DashboardAction, Operator } from './authorize.ts'
import type { KnownHealth } from './health-reader.ts'
import type { LiveUpdates } from './live-updates.ts'
import { OPERATIONS, type OperationName, isOperationName } from './operations.ts'
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

/**
 * What a request carries from its permission to its route. A route takes worker and operation from here and never from
 * its path, which it would read decoded: what is done is what `authorize` was asked for.
 */
export interface DashboardEnv {
  Variables: { purpose: Purpose; operation: OperationName | undefined; operator: Operator }
}

/** A request of the dashboard. */
export type DashboardContext = Context<DashboardEnv>

/** What a request is for. */
interface Purpose {
  readonly action: DashboardAction
  readonly worker?: string
}

/**
 * Reads from method and path what a request is for, so that one place asks `authorize` for all of them. The form of an
 * action is for that action. A name that no worker can have stays out of it, and so does one that is percent-encoded.
 */
export function readPurpose(method: string, path: string): Pick<DashboardEnv['Variables'], 'purpose' | 'operation'> {
  const [, top, worker = '', ...rest] = path.split('/')
  if (top !== 'workers' || !isWorkerName(worker)) return { purpose: { action: 'view' }, operation: undefined }
  const [name = '', ...others] = rest[0] === 'confirm' ? rest.slice(1) : method === 'POST' ? rest : []
  const operation = isOperationName(name) && others.length === 0 ? name : undefined
  return { purpose: { action: operation ? OPERATIONS[operation].action : 'view', worker }, operation }
}

/** What the pages of a request share. */
export function frameOf(c: DashboardContext, { title, errors }: FilledOptions): PageFrame {
  return { title, errors, root: rootOf(c.req.path), operator: c.get('operator'), now: Date.now() }
}

/** From a path to the dashboard's root. */
export function rootOf(path: string): string {
  return '../'.repeat(path.split('/').length - 2) || './'
}
