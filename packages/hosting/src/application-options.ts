import type { Logger } from '@background-workers/abstractions'
import { checkOptions, hasMethods } from '@background-workers/abstractions/for-managers'
import type { AwilixContainer } from 'awilix'

/** What `createApplication` takes. */
export interface ApplicationOptions {
  /**
   * Where the modules register their services, a root container. It stays the caller's: `stop` does not dispose it. While it
   * keeps the manager of one application it is refused for another: pass a new container, or dispose it before.
   * @default a container of its own, disposed by `stop`
   */
  readonly container?: AwilixContainer | undefined
  /**
   * Where the application reports; a pino logger fits. It is also registered as `logger`, unless that name is taken, so
   * that the manager and the services have it.
   * @default the container's `logger`, or else one that writes nothing
   */
  readonly logger?: Logger | undefined
}

/** @throws InvalidOptionsError */
export function checkApplicationOptions(options: ApplicationOptions): void {
  checkOptions('createApplication', options, {
    container: hasMethods('register', 'hasRegistration', 'resolve', 'createScope', 'dispose'),
    logger: isLogger,
  })
}

/** What a logger must have. */
export const isLogger = hasMethods('debug', 'info', 'warn', 'error')
