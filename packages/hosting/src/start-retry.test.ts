import { InvalidScheduleError, StartTimeoutError, StoreUnavailableError } from '@background-workers/abstractions'
import { AwilixResolutionError } from 'awilix'
import { describe, expect, it } from 'vitest'
import { fillStartRetry, startRetryDelayMs } from './start-retry.ts'

const anyError = new Error('connect ECONNREFUSED')

describe('startRetryDelayMs', () => {
  it('doubles from 1 s to 30 s and never gives up by default', () => {
    const delays = [1, 2, 3, 4, 5, 6, 7, 5_000].map((attempt) => startRetryDelayMs(fillStartRetry(), attempt, anyError))
    expect(delays).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000])
  })

  it('takes undefined for an option that is not given', () => {
    const none = { attempts: undefined, minDelayMs: undefined, maxDelayMs: undefined }
    expect(fillStartRetry(none)).toEqual(fillStartRetry())
  })

  it('does not cut a first wait of more than 30 s', () => {
    const retry = fillStartRetry({ minDelayMs: 60_000 })
    expect([1, 2].map((attempt) => startRetryDelayMs(retry, attempt, anyError))).toEqual([60_000, 60_000])
  })

  it('begins with the longest wait where that is below 1 s', () => {
    const retry = fillStartRetry({ maxDelayMs: 500 })
    expect([1, 2].map((attempt) => startRetryDelayMs(retry, attempt, anyError))).toEqual([500, 500])
  })

  it('ends with the last attempt', () => {
    const retry = fillStartRetry({ attempts: 2, minDelayMs: 5 })
    expect(startRetryDelayMs(retry, 1, anyError)).toBe(5)
    expect(startRetryDelayMs(retry, 2, anyError)).toBeUndefined()
  })

  it('repeats a store that is away', () => {
    expect(startRetryDelayMs(fillStartRetry(), 1, new StoreUnavailableError('redis'))).toBe(1_000)
    expect(startRetryDelayMs(fillStartRetry(), 1, new StartTimeoutError('redis'))).toBe(1_000)
  })

  it('does not repeat mistakes', () => {
    expect(startRetryDelayMs(fillStartRetry(), 1, new InvalidScheduleError('never fires'))).toBeUndefined()
    expect(startRetryDelayMs(fillStartRetry(), 1, new AwilixResolutionError('db', []))).toBeUndefined()
  })

  it('refuses options that can not be kept', () => {
    expect(() => fillStartRetry({ attempts: 0 })).toThrow(/startRetry: "attempts"/)
    expect(() => fillStartRetry({ minDelayMs: -1 })).toThrow(/"minDelayMs"/)
    expect(() => fillStartRetry({ minDelayMs: 5_000, maxDelayMs: 4_999 })).toThrow(
      'runApplication: startRetry: "maxDelayMs" (4999) is below "minDelayMs" (5000), which is the first wait. Raise maxDelayMs, or leave it out.',
    )
    expect(() => fillStartRetry({ delay: 1 } as never)).toThrow(/unknown option "delay"/)
  })
})
