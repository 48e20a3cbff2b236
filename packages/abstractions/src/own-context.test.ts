import { AsyncLocalStorage } from 'node:async_hooks'
import { describe, expect, it } from 'vitest'
import { inOwnContext } from './own-context.ts'

describe('inOwnContext', () => {
  it('has nothing of the caller, also later, and leaves the caller as it was', async () => {
    const request = new AsyncLocalStorage<string>()
    const seen: unknown[] = []
    const later = Promise.withResolvers<void>()
    request.run('a request', () => {
      inOwnContext(() => {
        seen.push(request.getStore())
        setImmediate(() => {
          seen.push(request.getStore())
          later.resolve()
        })
      })
      seen.push(request.getStore())
    })
    await later.promise
    expect(seen).toEqual([undefined, 'a request', undefined])
  })

  it('has nothing of what another one entered', () => {
    const request = new AsyncLocalStorage<string>()
    const seen: unknown[] = []
    inOwnContext(() => {
      request.enterWith('a run')
      inOwnContext(() => seen.push(request.getStore()))
      seen.push(request.getStore())
    })
    inOwnContext(() => seen.push(request.getStore()))
    expect(seen).toEqual([undefined, 'a run', undefined])
    expect(request.getStore()).toBeUndefined()
  })

  it('throws what the callback throws', () => {
    expect(() =>
      inOwnContext(() => {
        throw new Error('no')
      }),
    ).toThrow('no')
  })
})
