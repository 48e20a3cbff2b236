import type { IBackgroundWorkerManager } from '@background-workers/abstractions'

/** A manager that answers some of its calls otherwise. */
export function showInstead(
  manager: IBackgroundWorkerManager,
  answers: Partial<IBackgroundWorkerManager>,
): IBackgroundWorkerManager {
  return new Proxy(manager, {
    get(target, property) {
      if (Object.hasOwn(answers, property)) return Reflect.get(answers, property)
      const value: unknown = Reflect.get(target, property)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}
