import type { WorkerStatus } from '@background-workers/abstractions'
import { Hono } from 'hono'
import { secureHeaders } from 'hono/secure-headers'
import { addActionRoutes } from './action-routes.ts'
import { Activity } from './activity.ts'
import { Audit } from './audit.ts'
import { askPermission } from './authorize.ts'
import {
  type DashboardContext,
  type DashboardEnv,
  type DashboardParts,
  frameOf,
  readPurpose,
} from './dashboard-context.ts'
import { healthReader } from './health-reader.ts'
import { LiveUpdates } from './live-updates.ts'
import { type NodeHandler, createNodeHandler } from './node-handler.ts'
import { type DashboardOptions, fillOptions } from './options.ts'
import { messagePage, refusalPage } from './pages/layout.ts'
import { describeProblem, errorCode } from './problem.ts'
import { Refusal } from './refusal.ts'
import { SharedReading } from './shared-reading.ts'
import { LAST_ON_CONNECTION, addViewRoutes } from './view-routes.ts'

/** Pages, actions and live updates for one manager. */
export interface Dashboard extends Disposable {
  /** Answers a web-standard request: for Hono, Bun, Deno and whatever else speaks it. Never rejects. */
  readonly fetch: (request: Request) => Promise<Response>
  /** Answers a request of Node's `http` (HTTP/1): for Node itself, Express and Fastify. */
  readonly nodeHandler: NodeHandler
  /** Ends all live pages and takes back all listeners. Requests are answered with 503 from then on. */
  close(): void
}

/**
 * Makes a dashboard. It starts nothing and opens no port: mount `fetch` or `nodeHandler` in a server of yours.
 *
 * @throws InvalidOptionsError, without `authorize` above all.
 */
export function createDashboard(options: DashboardOptions): Dashboard {
  const parts = createParts(options)
  const { basePath } = parts.options
  const app = createApp(parts)
  let isClosed = false

  async function fetch(request: Request): Promise<Response> {
    if (isClosed) return new Response('The dashboard is closed.', { status: 503, headers: LAST_ON_CONNECTION })
    const { pathname } = new URL(request.url)
    if (pathname === basePath && basePath !== '') {
      // Pages link relatively, so the root has to end with a slash. A proxy may call it otherwise up to there.
      return new Response(null, { status: 302, headers: { location: `./${basePath.split('/').at(-1)}/` } })
    }
    if (!pathname.startsWith(`${basePath}/`)) return new Response('Not found', { status: 404 })
    return app.fetch(request)
  }

  function close(): void {
    isClosed = true
    parts.live.close()
    parts.activity.close()
  }

  return {
    fetch,
    nodeHandler: createNodeHandler({ fetch, usesFullPath: basePath !== '', logger: parts.options.logger }),
    close,
    [Symbol.dispose]: close,
  }
}

function createParts(options: DashboardOptions): DashboardParts {
  const filled = fillOptions(options)
  const { manager, logger, onAudit, pollIntervalMs, maxStreams } = filled
  const activity = new Activity(manager)
  const audit = new Audit(logger, onAudit)
  const list = new SharedReading<readonly WorkerStatus[]>(
    () => manager.list(),
    (workers) => activity.look(workers),
  )
  const health = new SharedReading(healthReader(filled, audit))
  const live = new LiveUpdates({ manager, list, health, pollIntervalMs, maxStreams })
  return { options: filled, audit, list, health, activity, live }
}

function createApp(parts: DashboardParts): Hono<DashboardEnv> {
  const { basePath, authorize } = parts.options
  const app = new Hono<DashboardEnv>({
    getPath: (request) => new URL(request.url).pathname.slice(basePath.length),
  })

  app.use(
    secureHeaders({
      contentSecurityPolicy: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'"],
        imgSrc: ["'self'"],
        connectSrc: ["'self'"],
        formAction: ["'self'"],
        frameAncestors: ["'none'"],
        baseUri: ["'none'"],
      },
      xFrameOptions: 'DENY',
      // With `no-referrer` browsers send forms with the origin `null`.
      referrerPolicy: 'same-origin',
      // Whether the host has TLS is not ours to say.
      strictTransportSecurity: false,
    }),
  )

  app.use(async (c, next) => {
    c.header('cache-control', 'no-store')
    const { purpose, operation } = readPurpose(c.req.method, c.req.path)
    c.set('purpose', purpose)
    c.set('operation', operation)
    const permission = await askPermission(authorize, c.req.raw, purpose.action, purpose.worker)
    if (permission.kind === 'refused') {
      const { reason, response, operator, error: cause } = permission
      if (operator) c.set('operator', operator)
      const text = reason === 'read-only' ? 'You may look, and change nothing.' : 'You may not do this here.'
      // Where it could not be asked, who may look now may look again later: an open page waits for that.
      const status = cause === undefined ? 403 : 503
      throw new Refusal({ ...purpose, status, reason, text, by: operator?.by, response, cause })
    }
    c.set('operator', permission.operator)
    await next()
  })

  addViewRoutes(app, parts)
  addActionRoutes(app, parts)
  app.notFound((c) => answerNotFound(c, parts))
  app.onError((error, c) => answerError(error, c, parts))
  return app
}

function isLooking({ req }: DashboardContext): boolean {
  return req.method === 'GET' || req.method === 'HEAD'
}

function answerNotFound(c: DashboardContext, { options, audit }: DashboardParts) {
  if (!isLooking(c)) {
    audit.write({ ...c.get('purpose'), by: c.get('operator').by, outcome: 'refused', reason: 'no such page' })
  }
  const page = { heading: 'Not found', text: 'There is no such page, or no worker of that name.' }
  return c.html(messagePage(frameOf(c, options), page), 404)
}

function answerError(error: Error, c: DashboardContext, { options, audit }: DashboardParts) {
  if (error instanceof Refusal) {
    const { action, worker, by, reason, response, text, status, cause } = error.facts
    audit.write({ action, outcome: 'refused', reason, ...(by && { by }), ...(worker && { worker }) }, cause)
    if (response) return response
    // Who may not look gets no page of the dashboard.
    if (!c.get('operator')) return c.html(refusalPage(text), status)
    return c.html(messagePage(frameOf(c, options), { heading: 'Refused', text }), status)
  }
  const { status, heading, text } = describeProblem(error, options.errors)
  if (status === 500) audit.error({ err: error, code: errorCode(error) }, 'the dashboard failed to answer')
  // A form is not live, and the answer to one can not be fetched again.
  const isLive = status === 503 && !c.get('operation')
  return c.html(messagePage(frameOf(c, options), { heading, text, isLive }), status)
}
