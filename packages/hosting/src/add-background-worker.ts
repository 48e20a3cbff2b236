import { type IBackgroundWorker, InvalidOptionsError, InvalidWorkerError } from '@background-workers/abstractions'
import { type AwilixContainer, type Constructor, asClass } from 'awilix'
import { registeredManager } from './registered-manager.ts'

/** A class of workers, whatever its constructor takes from the container. */
export type BackgroundWorkerClass<Worker extends IBackgroundWorker = IBackgroundWorker> = new (
  ...args: never[]
) => Worker

/**
 * Adds a worker to the `backgroundWorkerManager` of a container and gives it back. A class is registered as a singleton
 * under its name in camelCase (`PassiveUserCheckerWorker`: `passiveUserCheckerWorker`), unless that name is registered,
 * and resolved; an object is added as it is. Works at any time, also while the manager runs.
 *
 * @throws InvalidOptionsError when no manager is registered, or the name is taken by something else. InvalidWorkerError for
 * an anonymous class. And what the manager's `add` throws: DuplicateWorkerError when the same class is added twice.
 */
export async function addBackgroundWorker<Worker extends IBackgroundWorker>(
  container: AwilixContainer,
  worker: BackgroundWorkerClass<Worker> | Worker,
): Promise<Worker> {
  const manager = registeredManager(container)
  const resolved = resolveWorker(container, worker)
  await manager.add(resolved)
  return resolved
}

/** The worker itself, or the container's instance of its class. */
export function resolveWorker<Worker extends IBackgroundWorker>(
  container: AwilixContainer,
  worker: BackgroundWorkerClass<Worker> | Worker,
): Worker {
  if (typeof worker !== 'function') return worker
  const className = worker.name
  if (typeof className !== 'string' || className === '') {
    throw new InvalidWorkerError(
      'addBackgroundWorker: a class without a name can not be registered. Name the class, or pass an instance.',
    )
  }
  if (worker.prototype === undefined) {
    throw new InvalidWorkerError(
      `addBackgroundWorker: "${className}" is a function and no class. Pass a class, or a worker made by periodicWorker().`,
    )
  }
  const name = registrationName(className)
  const isOurs = !container.hasRegistration(name)
  if (isOurs) container.register(name, asClass(worker as unknown as Constructor<Worker>).singleton())
  const resolved = container.resolve<Worker>(name)
  if (!(resolved instanceof worker)) {
    throw new InvalidOptionsError(
      `addBackgroundWorker: "${name}" is registered in the container and is no ${className}. Rename the class or that registration.`,
    )
  }
  return resolved
}

/** The class's name in camelCase; leading capitals count as one word (`SMSWorker`: `smsWorker`). */
export function registrationName(className: string): string {
  return className.replace(/^[A-Z]+(?=[A-Z][a-z]|[^A-Za-z]|$)|^[A-Z]/, (word) => word.toLowerCase())
}
