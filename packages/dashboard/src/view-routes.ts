import { BackgroundWorkerError, type WorkerStatus } from '@background-workers/abstractions'
import type { Hono } from 'hono'
import { type Asset, assets } from './assets.ts'
import { askPermission } from './authorize.ts'
import { type DashboardContext, type DashboardEnv, type DashboardParts, frameOf } from './dashboard-context.ts'
import { openForm } from './form-session.ts'
import { OPERATIONS, type OperationName, isOperationName } from './operations.ts'
import { confirmPage } from './pages/confirm.ts'
import { overviewPage } from './pages/overview.ts'
import { workerPage } from './pages/worker.ts'
import { workersPage } from './pages/workers.ts'
import { judgeWorkers } from './worker-condition.ts'
import { queryWorkers, readWorkerQuery } from './worker-list.ts'

/**
 * For answers that the end of the dashboard ends, or comes after: `server.close()` waits for a connection that is kept alive
 * behind them, and an open page asks again before its time is up.
 */
export const LAST_ON_CONNECTION = { connection: 'close' } as const

/** More would make a page of megabytes where a policy keeps thousands. */
const RECORDS_SHOWN = 100

const FILES: ReadonlyMap<string, Asset> = new Map(Object.values(assets).map((asset) => [`/${asset.path}`, asset]))

/** All that only looks. */
export function addViewRoutes(app: Hono<DashboardEnv>, parts: DashboardParts): void {
  const { options, list, health, activity, live } = parts
  const { manager } = options

  app.get('/', async (c) => {
    const [listed, known] = await Promise.all([unlessStoreIsAway(list.read()), health.read()])
    const workers = listed && judgeWorkers(listed, known)
    return c.html(overviewPage(frameOf(c, options), { workers, health: known, activity }), workers ? 200 : 503)
  })

  app.get('/workers', async (c) => {
    const query = readWorkerQuery(new URL(c.req.url).searchParams)
    const [workers, known] = await Promise.all([list.read(), health.read()])
    const page = queryWorkers(judgeWorkers(workers, known), query)
    return c.html(workersPage(frameOf(c, options), { query, page, health: known, notice: noticeOf(c) }))
  })

  app.get('/workers/:worker', async (c) => {
    const worker = await findWorker(c, parts)
    if (!worker) return c.notFound()
    const [records, offered, known] = await Promise.all([
      // One that only starts and stops has none.
      worker.schedule ? manager.runs(worker.name, { limit: RECORDS_SHOWN }) : [],
      offeredTo(c, parts, worker),
      health.read(),
    ])
    const [judged = worker] = judgeWorkers([worker], known)
    const facts = { worker: judged, health: known, records, offered, notice: noticeOf(c) }
    return c.html(workerPage(frameOf(c, options), facts))
  })

  app.get('/workers/:worker/confirm/:operation', async (c) => {
    const operation = c.get('operation')
    const worker = await findWorker(c, parts)
    if (!worker || !operation) return c.notFound()
    const token = openForm(c, options.secret)
    return c.html(confirmPage(frameOf(c, options), { worker, operation, token }))
  })

  app.get('/events', (c) => {
    if (c.req.method === 'HEAD') return c.body(null)
    const stream = live.open(c.req.raw)
    if (!stream) return c.body(null, 503, { 'retry-after': '10' })
    return c.body(stream, 200, {
      'content-type': 'text/event-stream; charset=utf-8',
      // Else what compresses answers keeps events back until there are many, as Express' `compression` does.
      'cache-control': 'no-store, no-transform',
      // Else nginx keeps events back.
      'x-accel-buffering': 'no',
      ...LAST_ON_CONNECTION,
    })
  })

  app.get('/assets/:file', (c) => {
    const file = FILES.get(c.req.path)
    if (!file) return c.notFound()
    return c.body(file.text, 200, {
      'content-type': file.type,
      'cache-control': 'private, max-age=31536000, immutable',
    })
  })
}

/** The worker that a request is about, and that `authorize` was asked for. */
export async function findWorker(c: DashboardContext, { options }: DashboardParts): Promise<WorkerStatus | undefined> {
  const { worker } = c.get('purpose')
  return worker === undefined ? undefined : options.manager.get(worker)
}

/** What the operator may do with the worker as it stands. */
async function offeredTo(c: DashboardContext, parts: DashboardParts, worker: WorkerStatus): Promise<OperationName[]> {
  if (c.get('operator').readOnly) return []
  const possible = (Object.keys(OPERATIONS) as OperationName[]).filter((name) => OPERATIONS[name].isOffered(worker))
  const actions = [...new Set(possible.map((name) => OPERATIONS[name].action))]
  const permissions = await Promise.all(
    actions.map(async (action) => {
      const permission = await askPermission(parts.options.authorize, c.req.raw, action, worker.name)
      return [action, permission.kind === 'granted'] as const
    }),
  )
  const isGranted = new Map(permissions)
  return possible.filter((name) => isGranted.get(OPERATIONS[name].action))
}

/** A link tells by the name of an operation what has been done; it can not bring a text of its own. */
function noticeOf(c: DashboardContext): string | undefined {
  const name = c.req.query('done') ?? ''
  return isOperationName(name) ? OPERATIONS[name].done : undefined
}

async function unlessStoreIsAway<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked
  } catch (error) {
    if (BackgroundWorkerError.is(error) && error.code === 'store-unavailable') return undefined
    throw error
  }
}
