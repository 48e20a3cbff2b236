import { randomBytes } from 'node:crypto'
import { type IBackgroundWorkerManager, InvalidOptionsError, type Logger } from '@background-workers/abstractions'
import {
  type Check,
  type Filled,
  checkOptions,
  hasMethods,
  isAnything,
  isFunction,
  isOneOf,
  isPathPrefix,
  isText,
  isWhole,
} from '@background-workers/abstractions/for-managers'
import type { AuditEntry } from './audit.ts'
import type { Authorize } from './authorize.ts'

/** What `createDashboard` takes. */
export interface DashboardOptions {
  /**
   * What is shown and controlled. Of BullMQ also one that takes no runs, in a web process: with `isEnabled: false`, or with
   * `queues: []`, which still starts the workers that are added to it.
   */
  readonly manager: IBackgroundWorkerManager
  /** Who may see and do what. Without it there is no dashboard. */
  readonly authorize: Authorize
  /**
   * The path under which requests arrive, such as `/dashboard`. Leave it out where the framework cuts that off (`app.use`
   * of Express does). Pages link relatively, so it need not be the path that a browser sees.
   * @default ''
   */
  readonly basePath?: string | undefined
  /** What stands at the top of each page. @default 'Background workers' */
  readonly title?: string | undefined
  /** `'redacted'`: of errors only name and code are shown, no message and no stack. @default 'full' */
  readonly errors?: 'full' | 'redacted' | undefined
  /**
   * Signs the tokens of forms; 32 characters or more. Set it, the same everywhere, where several instances stand behind
   * one address, or a form that one has made is refused by the next.
   * @default random for each dashboard
   */
  readonly secret?: string | undefined
  /**
   * Origins besides the host's own that forms may come from: `['https://admin.example.com']`. For a proxy that changes
   * the `Host` header, and old browsers.
   * @default []
   */
  readonly allowedOrigins?: readonly string[] | undefined
  /** Where actions and refusals are written. @default a logger that writes nothing */
  readonly logger?: Logger | undefined
  /** Told of each action and refusal. What it throws is logged, and breaks nothing. */
  readonly onAudit?: ((entry: AuditEntry) => unknown) | undefined
  /**
   * How often the dashboard looks for what other instances have changed while somebody watches, in ms. It waits longer
   * where a look takes long.
   * @default 2_000
   */
  readonly pollIntervalMs?: number | undefined
  /** How many pages may be live at a time; those above it still work, and are not updated. @default 100 */
  readonly maxStreams?: number | undefined
}

/** The options with their defaults. */
export type FilledOptions = Filled<Omit<DashboardOptions, 'logger' | 'onAudit'>> & {
  readonly logger: DashboardOptions['logger']
  readonly onAudit: DashboardOptions['onAudit']
}

/** @throws InvalidOptionsError */
export function fillOptions(options: DashboardOptions): FilledOptions {
  const given = typeof options === 'object' && options !== null ? options : undefined
  if (given?.authorize === undefined) throw new InvalidOptionsError(AUTHORIZE_MISSING)
  checkOptions('createDashboard', options, {
    manager: isAnything,
    authorize: isFunction,
    basePath: isPathPrefix('/dashboard'),
    title: isText,
    errors: isOneOf('full', 'redacted'),
    secret: isSecret,
    allowedOrigins: areOrigins,
    logger: hasMethods('debug', 'info', 'warn', 'error'),
    onAudit: isFunction,
    pollIntervalMs: isWhole(100, 3_600_000, 'ms'),
    maxStreams: isWhole(0, 10_000),
  })
  // A manager that is missing is refused like a bad one.
  const problem = hasMethods('list', 'get', 'runs', 'health', 'on', 'trigger')(options.manager)
  if (problem !== undefined) throw new InvalidOptionsError(`createDashboard: "manager" ${problem}`)
  return {
    manager: options.manager,
    authorize: options.authorize,
    basePath: options.basePath ?? '',
    title: options.title ?? 'Background workers',
    errors: options.errors ?? 'full',
    secret: options.secret ?? randomBytes(32).toString('base64url'),
    allowedOrigins: options.allowedOrigins ?? [],
    pollIntervalMs: options.pollIntervalMs ?? 2_000,
    maxStreams: options.maxStreams ?? 100,
    logger: options.logger,
    onAudit: options.onAudit,
  }
}

const AUTHORIZE_MISSING = `createDashboard: "authorize" is missing. A dashboard that everybody can open runs, pauses and deletes your workers for everybody, so say who may:

  createDashboard({
    manager,
    async authorize(request, action) {
      const user = await userOf(request)                      // your session, your login
      if (!user) return Response.redirect('https://example.com/login')
      return user.isAdmin && { by: user.name, readOnly: !user.isOperator }
    },
  })`

const isSecret: Check = (value) =>
  typeof value === 'string' && value.length >= 32 ? undefined : 'must be a text of 32 characters or more.'

const areOrigins: Check = (value) =>
  Array.isArray(value) && value.every((origin) => URL.canParse(origin) && new URL(origin).origin === origin)
    ? undefined
    : 'must be a list of origins such as "https://admin.example.com", without a path.'
