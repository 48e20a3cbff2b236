import { containerOptions } from '@background-workers/abstractions/for-managers'
import type { DisposableResolverOptions, Resolver } from 'awilix'
import { BullMqBackgroundWorkerManager } from './bullmq-background-worker-manager.ts'
import { type BullMqManagerOptions, optionNames } from './options.ts'

/** Options, or a function that makes them, at once, of the cradle when the manager is first resolved. */
export type RegisterOptions = BullMqManagerOptions | ((cradle: never) => BullMqManagerOptions)

/** What `container.register` takes. */
export type Registration = {
  readonly backgroundWorkerManager: Resolver<BullMqBackgroundWorkerManager>
}

/**
 * Registers the BullMQ manager in an awilix container, as the singleton `backgroundWorkerManager`:
 * `container.register(bullMqBackgroundWorkerManager({ connection }))`. The container itself makes the scopes, and its registration
 * `logger`, if there is one, is the logger, unless the options say otherwise. `container.dispose()` stops the manager.
 *
 * Resolving it first in a scope throws InvalidOptionsError, unless the container is strict or nothing would be taken from it: all
 * runs would have what is registered in that scope.
 */
export function bullMqBackgroundWorkerManager(options: RegisterOptions): Registration {
  // Not asFunction: that sees the cradle only, and the manager needs the container to make scopes.
  const resolver: Resolver<BullMqBackgroundWorkerManager> & DisposableResolverOptions<BullMqBackgroundWorkerManager> = {
    lifetime: 'SINGLETON',
    resolve: (container) =>
      new BullMqBackgroundWorkerManager(
        containerOptions('BullMqBackgroundWorkerManager', options, container, optionNames),
      ),
    dispose: (manager) => manager.stop(),
  }
  return { backgroundWorkerManager: resolver }
}
