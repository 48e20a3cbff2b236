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

/** The manager that is registered in a container. @throws InvalidOptionsError when there is none. */
export function registeredManager(container: AwilixContainer): IBackgroundWorkerManager {
  requireManager(container)
  const manager = container.resolve<IBackgroundWorkerManager>(NAME)
  const problem = hasMethods('start', 'stop', 'add')(manager)
  if (problem !== undefined) throw new InvalidOptionsError(`The registered "${NAME}" ${problem}`)
  return manager
}
