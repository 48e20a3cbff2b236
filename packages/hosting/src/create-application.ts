import { InvalidOptionsError, type Logger, silentLogger } from '@background-workers/abstractions'
import { safeLogger } from '@background-workers/abstractions/for-managers'
import { type AwilixContainer, asValue, createContainer } from 'awilix'
import { type ApplicationOptions, checkApplicationOptions, isLogger } from './application-options.ts'
import { Application } from './application.ts'
import { BackgroundWorkersModule } from './background-workers-module.ts'
import type { ApplicationModule } from './module.ts'
import { sortModules } from './module-graph.ts'
import { requireManager, requireUnusedManager } from './registered-manager.ts'

/**
 * Makes an application of a module and all it depends on: checks the graph and calls each module's `configureServices`.
 * Nothing is started: that is `application.start()`.
 *
 * @throws InvalidOptionsError for a circle, a missing module, two modules of one name, and when a module depends on
 * `BackgroundWorkersModule` but none has registered a manager, or another application has used the container's. And what
 * `configureServices` throws.
 */
export async function createApplication(
  rootModule: ApplicationModule,
  options: ApplicationOptions = {},
): Promise<Application> {
  checkApplicationOptions(options)
  const modules = sortModules(rootModule)
  const hasBackgroundWorkers = modules.includes(BackgroundWorkersModule)
  const ownsContainer = options.container === undefined
  const container = options.container ?? createContainer()
  if (hasBackgroundWorkers) requireUnusedManager(container)
  try {
    if (options.logger && !container.hasRegistration('logger')) container.register({ logger: asValue(options.logger) })
    for (const module of modules) await module.configureServices?.(container)
    if (hasBackgroundWorkers) requireManager(container)
    const logger = options.logger ?? registeredLogger(container) ?? silentLogger
    return new Application({ modules, container, ownsContainer, hasBackgroundWorkers, logger })
  } catch (error) {
    if (ownsContainer) {
      // Why the application could not be made is the cause, and more than what follows from it.
      await container.dispose().catch((err) => safeLogger(options.logger).error({ err }, 'container failed to dispose'))
    }
    throw error
  }
}

function registeredLogger(container: AwilixContainer): Logger | undefined {
  if (!container.hasRegistration('logger')) return undefined
  const logger = container.resolve<Logger>('logger')
  const problem = isLogger(logger)
  if (problem !== undefined) throw new InvalidOptionsError(`createApplication: the registered "logger" ${problem}`)
  return logger
}
