import { show } from './checks.ts'
import { InvalidOptionsError } from './errors.ts'
import { givenOptions } from './given-options.ts'
import type { ManagerOptions } from './manager-options.ts'
import type { ServiceScopeFactory } from './service-scope.ts'

/** The few things of a DI container that a registration needs; an awilix container fits. */
export interface OptionsContainer extends ServiceScopeFactory {
  readonly cradle: object
  readonly cache: { has(name: symbol): boolean }
  register(name: symbol, resolver: { readonly lifetime: 'SINGLETON'; resolve(): unknown }): unknown
  hasRegistration(name: string): boolean
  resolve(name: string | symbol): unknown
}

/**
 * The options of what is registered in a container: those given, or made of its cradle. What is not given is taken from the
 * container's registrations of these names, where there are any.
 *
 * @param subject - Whose options they are, for an error
 * @param names - What it takes; others of the options' own are handed on, for it to refuse
 * @throws InvalidOptionsError where something is taken from a container that is a scope, or the options are no object or a promise
 */
export function registeredOptions<Options extends object>(
  subject: string,
  options: Options | ((cradle: never) => Options),
  container: Omit<OptionsContainer, 'createScope'>,
  names: readonly string[],
  registrations: readonly (keyof Options & string)[],
): Options {
  if (typeof options === 'function') requireRoot(subject, container)
  const made = typeof options === 'function' ? options(container.cradle as never) : options
  const given = made === undefined ? ({} as Options) : givenObject(subject, made, names)
  // A name that is missing from the cradle throws, so it is asked for first.
  const missing = registrations.filter((name) => given[name] === undefined && container.hasRegistration(name))
  if (missing.length > 0) requireRoot(subject, container)
  return { ...Object.fromEntries(missing.map((name) => [name, container.resolve(name)])), ...given }
}

/** The options of a manager that is registered in a container, which makes its scopes; see `registeredOptions`. */
export function containerOptions<Options extends ManagerOptions>(
  subject: string,
  options: Options | ((cradle: never) => Options),
  container: OptionsContainer,
  names: readonly string[],
  registrations: readonly (keyof Options & string)[] = ['logger'],
): Options {
  const given = registeredOptions(subject, options, container, names, registrations)
  if (given.scopeFactory === undefined) requireRoot(subject, container)
  return { scopeFactory: container, ...given }
}

const PROBE = Symbol('background-workers: which container keeps singletons')

/**
 * The resolver of a singleton gets the container in which it is first resolved. Of a request's scope it would keep the request's
 * registrations, for every run. awilix does not tell a scope from its root, but only the root caches singletons.
 */
function requireRoot(subject: string, container: Omit<OptionsContainer, 'createScope'>): void {
  container.register(PROBE, { lifetime: 'SINGLETON', resolve: () => true })
  container.resolve(PROBE)
  if (container.cache.has(PROBE)) return
  throw new InvalidOptionsError(
    `${subject}: it is first resolved in a scope, and would keep what is registered in that for good. Register it in the root container and resolve it there first, or make that with createContainer({ strict: true }).`,
  )
}

/** Once spread, what is no object would look like no options at all, and so would a promise. */
function givenObject<Options extends object>(subject: string, made: Options, names: readonly string[]): Options {
  if (typeof made !== 'object' || made === null || Array.isArray(made)) {
    throw new InvalidOptionsError(`${subject}: expected an options object, got ${show(made)}.`)
  }
  if ('then' in made) {
    throw new InvalidOptionsError(
      `${subject}: expected an options object, got a promise. Await what the options are made of before it is registered.`,
    )
  }
  return givenOptions(made, [...Object.keys(made), ...names])
}
