import { containerOptions } from '@background-workers/abstractions/for-managers'
import type { DisposableResolverOptions, Resolver } from 'awilix'
import { DefaultBackgroundWorkerManager } from './default-background-worker-manager.ts'
import { type DefaultManagerOptions, optionNames } from './options.ts'

/** Options, or a function that makes them, at once, of the cradle when the manager is first resolved. */
export type RegisterOptions = DefaultManagerOptions | ((cradle: never) => DefaultManagerOptions)

/** What `container.register` takes. */
export type Registration = {
  readonly backgroundWorkerManager: Resolver<DefaultBackgroundWorkerManager>
}

/**
 * Registers the default manager in an awilix container, as the singleton `backgroundWorkerManager`:
 * `container.register(defaultBackgroundWorkerManager())`. The container itself makes the scopes, and its registration
 * `logger`, if there is one, is the logger, unless the options say otherwise; so is `distributedLock` the lock.
 * `container.dispose()` stops the manager.
 *
 * Resolving it first in a scope throws InvalidOptionsError, unless the container is strict or nothing would be taken from it: all
 * runs would have what is registered in that scope.
 */
export function defaultBackgroundWorkerManager(options: RegisterOptions = {}): Registration {
  // Not asFunction: that sees the cradle only, and the manager needs the container to make scopes.
  const resolver: Resolver<DefaultBackgroundWorkerManager> & DisposableResolverOptions<DefaultBackgroundWorkerManager> =
    {
      lifetime: 'SINGLETON',
      resolve: (container) =>
        new DefaultBackgroundWorkerManager(
          containerOptions('DefaultBackgroundWorkerManager', options, container, optionNames, [
            'logger',
            'distributedLock',
          ]),
        ),
      dispose: (manager) => manager.stop(),
    }
  return { backgroundWorkerManager: resolver }
}
