import type { WorkerStatus } from '@background-workers/abstractions'
import type { Hono } from 'hono'
import { csrf } from 'hono/csrf'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { type DashboardContext, type DashboardEnv, type DashboardParts, frameOf, rootOf } from './dashboard-context.ts'
import { isOwnForm, openForm } from './form-session.ts'
import { OPERATIONS, type OperationName, OperationRefusedError, isInputError, isOperationName } from './operations.ts'
import { confirmPage } from './pages/confirm.ts'
import { findFormProblem } from './plain-text.ts'
import { errorCode } from './problem.ts'
import { isForm, readForm } from './read-form.ts'
import { Refusal } from './refusal.ts'
import { findWorker } from './view-routes.ts'
import { workerPath } from './worker-name.ts'

/** All that changes something. `authorize` has agreed when a route is reached. */
export function addActionRoutes(app: Hono<DashboardEnv>, parts: DashboardParts): void {
  const { options, list, health, audit } = parts
  const checkOrigin = csrf({ origin: (origin, c) => isOwnOrigin(origin, c, options.allowedOrigins) })

  app.post('/workers/:worker/:operation', async (c) => {
    const operation = c.get('operation')
    if (!operation) return c.notFound()
    const form = await readOwnForm(c)
    const { by } = c.get('operator')
    const { action } = OPERATIONS[operation]
    let worker: WorkerStatus | undefined
    try {
      worker = await findWorker(c, parts)
      if (!worker) refuse(c, 404, 'no such worker', 'There is no worker of that name.')
      const problem = findFormProblem(form)
      if (problem) {
        audit.write({ action, worker: worker.name, by, outcome: 'refused', reason: `a field holds ${problem.holds}` })
        return askAgain(c, operation, worker, form, problem.message, 400)
      }
      const details = await OPERATIONS[operation].perform({ manager: options.manager, worker, form, by })
      list.forget()
      health.forget()
      audit.write({ by, action, worker: worker.name, details, outcome: 'done' })
    } catch (error) {
      if (error instanceof Refusal) throw error
      if (error instanceof OperationRefusedError) refuse(c, 409, error.message, error.message)
      audit.write({ ...c.get('purpose'), by, outcome: 'failed', reason: errorCode(error) }, error)
      if (!worker || !isInputError(error)) throw error
      return askAgain(c, operation, worker, form, error.message, 422)
    }
    const page = operation === 'remove' ? 'workers' : workerPath(worker.name)
    return c.redirect(`${rootOf(c.req.path)}${page}?done=${operation}`, 303)
  })

  // Looking at the path of an action does nothing.
  app.all('/workers/:worker/:operation', (c) => {
    if (!isOperationName(c.req.param('operation'))) return c.notFound()
    c.header('allow', 'POST')
    return refuse(c, 405, 'not a POST', 'This can only be done with the form of its page.')
  })

  /** The form once more, with what was sent and what is wrong with that. */
  function askAgain(
    c: DashboardContext,
    operation: OperationName,
    worker: WorkerStatus,
    sent: URLSearchParams,
    problem: string,
    status: ContentfulStatusCode,
  ) {
    const token = openForm(c, options.secret)
    return c.html(confirmPage(frameOf(c, options), { worker, operation, token, problem, sent }), status)
  }

  async function readOwnForm(c: DashboardContext): Promise<URLSearchParams> {
    if (!isForm(c.req.raw)) refuse(c, 415, 'not a form', 'Only forms are taken.')
    await checkOrigin(c, async () => {}).catch(() =>
      refuse(
        c,
        403,
        'foreign origin',
        'The form does not come from this dashboard. Open the worker here and try again.',
      ),
    )
    const form = await readForm(c.req.raw)
    if (!form) refuse(c, 413, 'too large', 'The form is larger than any form of this dashboard.')
    if (!isOwnForm(c, options.secret, form)) {
      refuse(
        c,
        403,
        'no valid token',
        'The form is too old, or its page was made by another instance. Go back, load the page again, and repeat it.',
      )
    }
    return form
  }
}

/** Whether an origin is the host that the request was sent to. The scheme is left out: a proxy may end TLS. */
function isOwnOrigin(origin: string, c: { req: DashboardContext['req'] }, allowed: readonly string[]): boolean {
  if (allowed.includes(origin)) return true
  return URL.canParse(origin) && new URL(origin).host === (c.req.header('host') ?? new URL(c.req.url).host)
}

function refuse(c: DashboardContext, status: ContentfulStatusCode, reason: string, text: string): never {
  throw new Refusal({ ...c.get('purpose'), by: c.get('operator').by, status, reason, text })
}
