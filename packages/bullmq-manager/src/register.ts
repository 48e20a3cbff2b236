import type { AwilixContainer, DisposableResolverOptions, Resolver } from 'awilix'
import { BullMqBackgroundWorkerManager } from './bullmq-background-worker-manager.ts'
import type { BullMqManagerOptions } from './options.ts'

/** Options, or a function that makes them of the cradle when the manager is first resolved. */
export type RegisterOptions = BullMqManagerOptions | ((cradle: never) => BullMqManagerOptions)

/** What `container.register` takes. */
export type Registration = {
  readonly backgroundWorkerManager: Resolver<BullMqBackgroundWorkerManager>
}

/**
 * Registers the BullMQ manager in an awilix container, as the singleton `backgroundWorkerManager`:
 * `container.register(bullMqBackgroundWorkerManager({ connection }))`. The container itself makes the scopes, and its registration
 * `logger`, if there is one, is the logger, unless the options say otherwise. `container.dispose()` stops the manager.
 */
export function bullMqBackgroundWorkerManager(options: RegisterOptions): Registration {
  // Not asFunction: that sees the cradle only, and the manager needs the container to make scopes.
  const resolver: Resolver<BullMqBackgroundWorkerManager> & DisposableResolverOptions<BullMqBackgroundWorkerManager> = {
    lifetime: 'SINGLETON',
    resolve: (container) => new BullMqBackgroundWorkerManager(readOptions(options, container)),
    dispose: (manager) => manager.stop(),
  }
  return { backgroundWorkerManager: resolver }
}

function readOptions(options: RegisterOptions, container: AwilixContainer<object>): BullMqManagerOptions {
  const given = typeof options === 'function' ? options(container.cradle as never) : options
  return {
    scopeFactory: container,
    // A name that is missing from the cradle throws, so it is asked for first.
    ...(container.hasRegistration('logger') && {
      logger: container.resolve('logger'),
    }),
    ...given,
  }
}
