import { isText } from '@background-workers/abstractions/for-managers'

/** What an operator wants to do. All but `view` are named after the call of the manager that they lead to. */
export type DashboardAction = 'view' | 'trigger' | 'cancel' | 'pause' | 'resume' | 'reschedule' | 'remove'

/** Who asks. */
export interface Operator {
  /** Stands in the status, records, events and logs of what this operator does. 1 to 1,000 characters. */
  readonly by: string
  /** May look and nothing else. @default false */
  readonly readOnly?: boolean | undefined
}

/**
 * Says who asks, or refuses: with `false`, or with a response of yours (a redirect to the login, a 401), which may be the
 * same one each time. It is asked for every request with what that does (the form of an action counts as that action), and
 * before a page offers an action. What it throws, or anything else that it gives, is a refusal too. `worker` is there for
 * everything that is about one. Leave the request's body alone.
 */
export type Authorize = (
  request: Request,
  action: DashboardAction,
  worker?: string,
) => Operator | Response | false | Promise<Operator | Response | false>

/** What came of asking. */
export type Permission =
  | { readonly kind: 'granted'; readonly operator: Operator }
  | {
      readonly kind: 'refused'
      readonly reason: string
      /** What the application wants to be answered. */
      readonly response?: Response
      /** Who may look, where that is known. */
      readonly operator?: Operator
      readonly error?: unknown
    }

/** Asks, and takes whatever is not clearly a yes as a no. Never rejects. */
export async function askPermission(
  authorize: Authorize,
  request: Request,
  action: DashboardAction,
  worker?: string,
): Promise<Permission> {
  try {
    const answer: unknown = await authorize(request, action, worker)
    if (answer === false) return { kind: 'refused', reason: 'not authorized' }
    if (answer instanceof Response) {
      return { kind: 'refused', reason: 'not authorized', response: await copyOf(answer) }
    }
    const operator = readOperator(answer)
    if (!operator) return { kind: 'refused', reason: 'authorize gave neither { by }, nor false, nor a Response' }
    if (operator.readOnly && action !== 'view') return { kind: 'refused', reason: 'read-only', operator }
    return { kind: 'granted', operator }
  } catch (error) {
    return { kind: 'refused', reason: 'authorize failed', error }
  }
}

/**
 * The same response may be given again, so its own body stays unread; and the headers of a redirect can not be added to.
 * Fails for what nobody can be answered with: one that has been read, or `Response.error()`.
 */
async function copyOf(response: Response): Promise<Response> {
  // Read to its end at once: what is left unread of a clone would be kept as long as the response is.
  return new Response(response.body && (await response.clone().arrayBuffer()), response)
}

/** Anything but `false` or nothing under `readOnly` counts as read-only. */
function readOperator(answer: unknown): Operator | undefined {
  if (typeof answer !== 'object' || answer === null) return undefined
  const { by, readOnly } = answer as { by?: unknown; readOnly?: unknown }
  if (isText(by) !== undefined) return undefined
  return { by: by as string, readOnly: readOnly !== undefined && readOnly !== false }
}
