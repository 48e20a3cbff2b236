import type { AwilixContainer } from 'awilix'
import { type Check, checkOptions, isFunction, isText, show } from '@background-workers/abstractions/for-managers'
import { InvalidOptionsError } from '@background-workers/abstractions'
import type { ApplicationInitializationContext, ApplicationShutdownContext } from './module-context.ts'

/** A part of an application: what it registers, what it does at the start and at the end, and what must come before it. */
export interface ApplicationModule {
  /** Unique in the application. */
  readonly name: string
  /** These are configured and initialized before this module, and shut down after it. */
  readonly dependsOn?: readonly ApplicationModule[] | undefined
  /** Called once by `createApplication`, in dependency order: register services here, and resolve nothing yet. */
  configureServices?(container: AwilixContainer): void | Promise<void>
  /** Called once by `start`, in dependency order, before any background worker starts. If it fails, it is called again by the next `start`. */
  onApplicationInitialization?(context: ApplicationInitializationContext): void | Promise<void>
  /** Called once by `stop`, in reverse order, if the module was initialized; the background workers have stopped before. */
  onApplicationShutdown?(context: ApplicationShutdownContext): void | Promise<void>
}

/**
 * Defines a module. It gives back what it was given; its worth is the check, which finds a misspelled hook here and now.
 *
 * @throws InvalidOptionsError for an unknown key, a missing name or a wrong type.
 */
export function defineModule<Module extends ApplicationModule>(module: Module): Module {
  checkModule('defineModule', module)
  return module
}

/** @throws InvalidOptionsError, with `subject` in front, unless `module` is one. */
export function checkModule(subject: string, module: ApplicationModule): void {
  checkOptions(subject, module, {
    name: isText,
    dependsOn: (value) => (Array.isArray(value) ? undefined : `must be an array of modules, got ${show(value)}.`),
    configureServices: isFunction,
    onApplicationInitialization: isFunction,
    onApplicationShutdown: isFunction,
  } satisfies Record<keyof ApplicationModule, Check>)
  if (module.name === undefined) throw new InvalidOptionsError(`${subject}: "name" must be given.`)
}
