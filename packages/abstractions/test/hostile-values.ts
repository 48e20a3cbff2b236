/** Something that `await` takes for a promise. */
export function thenable(then: (resolve: () => void, reject: (error: unknown) => void) => void): object {
  return Object.defineProperty({}, 'then', { value: then })
}

/** A promise that is kept, with a `then` of its own, which `await` does not call. */
export function promiseWith(then: (resolve: () => void) => void): Promise<void> {
  return Object.defineProperty(Promise.resolve(), 'then', { value: then })
}

/** What throws at whoever looks at it. */
export function unreadable(): object {
  const trap = () => {
    throw new Error('trap')
  }
  return new Proxy({}, { get: trap, getPrototypeOf: trap, ownKeys: trap, has: trap })
}
