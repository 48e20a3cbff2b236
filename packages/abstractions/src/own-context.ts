import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks'

const create = () => new AsyncResource('background-workers', { requireManualDestroy: true })

/** Has what is there when this is imported: nothing, unless that is done inside of a request. */
const empty = create()

/** What a callback enters (`AsyncLocalStorage.enterWith`) ends with it in Node 24; before, the resource kept it for the next one. */
function isLeftEmpty(): boolean {
  const storage = new AsyncLocalStorage<boolean>()
  const probe = create()
  probe.runInAsyncScope(() => storage.enterWith(true))
  const isEmpty = probe.runInAsyncScope(() => storage.getStore() === undefined)
  storage.disable()
  return isEmpty
}

/**
 * Calls `callback` in an asynchronous context that has nothing of the caller's, of any `AsyncLocalStorage`: what works again and
 * again belongs to no request that has once triggered, resumed or rescheduled it.
 * A method is called with its `receiver`, so that a run makes no function for it.
 */
export const inOwnContext: <This>(callback: (this: This) => void, receiver?: This) => void = isLeftEmpty()
  ? (callback, receiver) => empty.runInAsyncScope(callback, receiver)
  : (callback, receiver) => empty.runInAsyncScope(create).runInAsyncScope(callback, receiver)
