import { type IBackgroundWorkerManager, InvalidOptionsError } from '@background-workers/abstractions'
import { hasMethods } from '@background-workers/abstractions/for-managers'
import type { AwilixContainer } from 'awilix'

const NAME = 'backgroundWorkerManager'

/** @throws InvalidOptionsError when the container has no manager registered. Nothing is resolved. */
export function requireManager(container: AwilixContainer): void {
  if (container.hasRegistration(NAME)) return
  throw new InvalidOptionsError(
    `No "${NAME}" is registered in the container. Register one, in configureServices for example: container.register(defaultBackgroundWorkerManager()).`,
  )
}

/** Managers that have the workers of an application; its stop does not take them. */
const used = new WeakSet<IBackgroundWorkerManager>()

/**
 * The manager that is registered in a container, for an application.
 *
 * @throws InvalidOptionsError when there is none, or another application has used it.
 */
export function useManager(container: AwilixContainer): IBackgroundWorkerManager {
  const manager = registeredManager(container)
  requireUnused(manager)
  used.add(manager)
  return manager
}

/**
 * A container keeps its manager when another one is registered, so a second application would add its workers to those of the
 * first. Nothing is resolved: one that the container does not keep itself is found out when it is used.
 *
 * @throws InvalidOptionsError when an application has used the manager that the container keeps.
 */
export function requireUnusedManager(container: AwilixContainer): void {
  requireUnused(container.cache.get(NAME)?.value)
}

function requireUnused(manager: IBackgroundWorkerManager | undefined): void {
  if (!manager || !used.has(manager)) return
  throw new InvalidOptionsError(
    `createApplication: the "${NAME}" of this container has the workers of another application. Pass a new container, or dispose this one before: await container.dispose().`,
  )
}

/** The manager that is registered in a container. @throws InvalidOptionsError when there is none. */
export function registeredManager(container: AwilixContainer): IBackgroundWorkerManager {
  requireManager(container)
  const manager = container.resolve<IBackgroundWorkerManager>(NAME)
  const problem = hasMethods('start', 'stop', 'add')(manager)
  if (problem !== undefined) throw new InvalidOptionsError(`The registered "${NAME}" ${problem}`)
  return manager
}
