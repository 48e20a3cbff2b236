import type { IncomingMessage, ServerResponse } from 'node:http'
import type { HealthReport, IBackgroundWorkerManager } from '@background-workers/abstractions'
import { CURED_BY_RESTART, checkOptions, hasMethods, isPathPrefix } from '@background-workers/abstractions/for-managers'
import { InvalidOptionsError } from '@background-workers/abstractions'

/** What a health endpoint asks: a manager, or an application. */
export type HealthSource = Pick<IBackgroundWorkerManager, 'state' | 'health'>

/** What `createHealthHandler` takes. */
export interface HealthHandlerOptions {
  /** Stands before `/live` and `/ready`: `/health` for example. @default '' */
  readonly pathPrefix?: string | undefined
}

/** A handler as `http.createServer` takes it; Express fits as well. */
export type HealthHandler = (request: IncomingMessage, response: ServerResponse) => void

/** A health that says nothing for so long is taken as unknown: a probe's own limit is 1 s by default. */
const HEALTH_LIMIT_MS = 750

/**
 * Answers the probes of an orchestrator, as JSON.
 *
 * - `/ready`: 503 unless the state is `running` and the health is not `unhealthy`.
 * - `/live`: 503 only for what a restart of the process cures: the manager's own loop makes no progress, or a run is stuck.
 *   A worker that is overdue or fails is none of that, nor is a store that is away or a health that can not be told.
 *
 * Everything else is 404, and 405 for other methods than GET and HEAD.
 *
 * @throws InvalidOptionsError
 */
export function createHealthHandler(source: HealthSource, options: HealthHandlerOptions = {}): HealthHandler {
  const problem = hasMethods('health')(source)
  if (problem !== undefined) throw new InvalidOptionsError(`createHealthHandler: the manager ${problem}`)
  checkOptions('createHealthHandler', options, { pathPrefix: isPathPrefix('/health') })
  const { pathPrefix = '' } = options
  return (request, response) => {
    const path = (request.url ?? '').split('?', 1)[0]
    if (path !== `${pathPrefix}/live` && path !== `${pathPrefix}/ready`) {
      return send(request, response, 404, { error: 'not found' })
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD')
      return send(request, response, 405, { error: 'method not allowed' })
    }
    const isOk = path.endsWith('/live') ? isLive : isReady
    void readHealth(source).then((health) => {
      send(request, response, isOk(source, health) ? 200 : 503, {
        status: health?.status ?? 'unknown',
        state: source.state,
        reasons: (health?.reasons ?? []).map(({ worker, code, message }) => ({ worker, code, message })),
      })
    })
  }
}

const isReady = (source: HealthSource, health: HealthReport | undefined) =>
  source.state === 'running' && health !== undefined && health.status !== 'unhealthy'

const isLive = (_source: HealthSource, health: HealthReport | undefined) =>
  !health?.reasons.some(({ code }) => CURED_BY_RESTART.has(code))

/** The health, or nothing when it can not be told, or not in time. Never rejects. */
async function readHealth(source: HealthSource): Promise<HealthReport | undefined> {
  let timer: NodeJS.Timeout | undefined
  const timedOut = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, HEALTH_LIMIT_MS, undefined)
  })
  try {
    return await Promise.race([source.health(), timedOut])
  } catch {
    return undefined
  } finally {
    clearTimeout(timer)
  }
}

function send(request: IncomingMessage, response: ServerResponse, status: number, body: object): void {
  const text = JSON.stringify(body)
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
  })
  response.end(request.method === 'HEAD' ? undefined : text)
}
