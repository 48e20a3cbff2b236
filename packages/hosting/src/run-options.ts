import { type Filled, checkOptions, isPathPrefix, isText, isWhole } from '@background-workers/abstractions/for-managers'
import { InvalidOptionsError } from '@background-workers/abstractions'
import { type StartRetry, type StartRetryOptions, fillStartRetry } from './start-retry.ts'

/** Where `/live` and `/ready` are served. */
export interface HealthEndpointOptions {
  /** 0: any free port; the log says which. */
  readonly port: number
  /** `'0.0.0.0'` opens it to other machines, as the probes of Kubernetes need. @default '127.0.0.1' */
  readonly host?: string | undefined
  /** Stands before `/live` and `/ready`: `/health` for example. @default '' */
  readonly pathPrefix?: string | undefined
}

/** What `runApplication` takes. */
export interface RunApplicationOptions {
  /** How a failed start is repeated. @default without end, from 1 s to 30 s */
  readonly startRetry?: StartRetryOptions | undefined
  /** @default no endpoint */
  readonly health?: HealthEndpointOptions | undefined
  /** How long the process may take to end by itself when everything has stopped, before it is exited, in ms. @default 5_000 */
  readonly exitGraceMs?: number | undefined
}

/** The options with their defaults. */
export interface FilledRunOptions {
  readonly startRetry: StartRetry
  readonly health: Filled<HealthEndpointOptions> | undefined
  readonly exitGraceMs: number
}

/** @throws InvalidOptionsError */
export function fillRunOptions(options: RunApplicationOptions): FilledRunOptions {
  const checkedBelow = () => undefined
  checkOptions('runApplication', options, {
    startRetry: checkedBelow,
    health: checkedBelow,
    exitGraceMs: isWhole(0, 86_400_000, 'ms'),
  })
  return {
    startRetry: fillStartRetry(options.startRetry),
    health: options.health && fillHealth(options.health),
    exitGraceMs: options.exitGraceMs ?? 5_000,
  }
}

function fillHealth(health: HealthEndpointOptions): Filled<HealthEndpointOptions> {
  checkOptions('runApplication: health', health, {
    port: isWhole(0, 65_535),
    host: isText,
    pathPrefix: isPathPrefix('/health'),
  })
  if (health.port === undefined) throw new InvalidOptionsError('runApplication: health: "port" must be given.')
  return { port: health.port, host: health.host ?? '127.0.0.1', pathPrefix: health.pathPrefix ?? '' }
}
