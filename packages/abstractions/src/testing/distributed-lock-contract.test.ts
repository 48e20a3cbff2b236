import { describe, expect, it } from 'vitest'
import { InvalidOptionsError } from '../errors.ts'
import { distributedLockContract } from './distributed-lock-contract.ts'

describe('distributedLockContract', () => {
  it('refuses options of which one is missing, and deviations that are none', () => {
    expect(() => distributedLockContract({} as never)).toThrow(InvalidOptionsError)
    expect(() => distributedLockContract({} as never)).toThrow(
      'distributedLockContract: runner, createLock, lose must be given.',
    )
    expect(() => distributedLockContract({ deviations: {} } as never)).toThrow(
      'distributedLockContract: "deviations" must be an array of objects',
    )
  })
})
