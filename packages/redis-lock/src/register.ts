import { registeredOptions } from '@background-workers/abstractions/for-managers'
import type { DisposableResolverOptions, Resolver } from 'awilix'
import { type RedisLockOptions, optionNames } from './options.ts'
import { RedisDistributedLock } from './redis-distributed-lock.ts'

/** Options, or a function that makes them, at once, of the cradle when the lock is first resolved. */
export type RegisterOptions = RedisLockOptions | ((cradle: never) => RedisLockOptions)

/** What `container.register` takes. */
export type Registration = {
  readonly distributedLock: Resolver<RedisDistributedLock>
}

/**
 * Registers the Redis lock in an awilix container, as the singleton `distributedLock`, where the default manager finds it:
 * `container.register(redisDistributedLock({ connection, applicationName }))`. The container's registration `logger`, if
 * there is one, is its logger, unless the options say otherwise. `container.dispose()` disposes it.
 *
 * Resolving it first in a scope throws InvalidOptionsError where it would keep what is of that (the logger, options that are made of
 * its cradle), unless the container is strict.
 */
export function redisDistributedLock(options: RegisterOptions): Registration {
  const resolver: Resolver<RedisDistributedLock> & DisposableResolverOptions<RedisDistributedLock> = {
    lifetime: 'SINGLETON',
    resolve: (container) =>
      new RedisDistributedLock(registeredOptions('RedisDistributedLock', options, container, optionNames, ['logger'])),
    dispose: (lock) => lock[Symbol.asyncDispose](),
  }
  return { distributedLock: resolver }
}
