import { describe, expect, it } from 'vitest'
import { nextAttemptAt } from './retry-delay.ts'

const NOW = 1_000_000
const retry = { attempts: 4, backoffMs: 1_000, factor: 1, maxBackoffMs: 3_600_000 }

describe('nextAttemptAt', () => {
  it('gives nothing without a retry policy or without attempts left', () => {
    expect(nextAttemptAt(undefined, 1, NOW, undefined)).toBeUndefined()
    expect(nextAttemptAt({ ...retry, attempts: 1 }, 1, NOW, undefined)).toBeUndefined()
    expect(nextAttemptAt(retry, 3, NOW, undefined)).toBe(NOW + 1_000)
    expect(nextAttemptAt(retry, 4, NOW, undefined)).toBeUndefined()
  })

  it('multiplies the backoff by the factor, attempt by attempt, up to the longest', () => {
    const growing = { ...retry, attempts: 10, factor: 3, maxBackoffMs: 20_000 }
    const waits = [1, 2, 3, 4, 5].map((attempt) => (nextAttemptAt(growing, attempt, NOW, undefined) as number) - NOW)
    expect(waits).toEqual([1_000, 3_000, 9_000, 20_000, 20_000])
  })

  it('gives whole milliseconds', () => {
    expect(nextAttemptAt({ ...retry, backoffMs: 333, factor: 1.5 }, 2, NOW, undefined)).toBe(NOW + 500)
  })

  it('starts no attempt at or after the next slot', () => {
    expect(nextAttemptAt(retry, 1, NOW, NOW + 1_001)).toBe(NOW + 1_000)
    expect(nextAttemptAt(retry, 1, NOW, NOW + 1_000)).toBeUndefined()
    expect(nextAttemptAt(retry, 1, NOW, NOW - 1)).toBeUndefined()
  })

  it('stays a time when the power of the factor overflows', () => {
    const extreme = { attempts: 1_000, backoffMs: 0, factor: 100, maxBackoffMs: 5_000 }
    expect(nextAttemptAt(extreme, 900, NOW, undefined)).toBe(NOW)
    expect(nextAttemptAt({ ...extreme, backoffMs: 1 }, 900, NOW, undefined)).toBe(NOW + 5_000)
  })
})
