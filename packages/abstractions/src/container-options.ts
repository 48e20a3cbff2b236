import type { ManagerOptions } from './manager-options.ts'
import type { ServiceScopeFactory } from './service-scope.ts'

/** The few things of a DI container that a registration needs; an awilix container fits. */
export interface OptionsContainer extends ServiceScopeFactory {
  readonly cradle: object
  hasRegistration(name: string): boolean
  resolve(name: string): unknown
}

/**
 * The options of a manager that is registered in a container: those given, or made of its cradle, and besides the
 * container itself for the scopes, and its registration `logger`, if there is one.
 */
export function containerOptions<Options extends ManagerOptions>(
  options: Options | ((cradle: never) => Options),
  container: OptionsContainer,
): Options {
  const given = typeof options === 'function' ? options(container.cradle as never) : options
  return {
    scopeFactory: container,
    // A name that is missing from the cradle throws, so it is asked for first.
    ...(container.hasRegistration('logger') && { logger: container.resolve('logger') }),
    ...given,
  }
}
