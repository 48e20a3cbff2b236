import { describe, expect, it } from 'vitest'
import { parseDuration } from './duration.ts'

describe('parseDuration', () => {
  it.each([
    [250, 250],
    [0, 0],
    ['500ms', 500],
    ['30s', 30_000],
    ['10m', 600_000],
    ['1h', 3_600_000],
    ['7d', 604_800_000],
    ['1.5h', 5_400_000],
    ['  2 m ', 120_000],
    ['-5s', -5_000],
    ['1.1s', 1_100],
    ['0.3s', 300],
    ['1.0005s', 1_000.5],
  ])('reads %j as %d ms', (value, ms) => {
    expect(parseDuration(value)).toBe(ms)
  })

  it.each(['', '10', 'm', '10 minutes', '1e3s', '5w', '10M', '1h30m', '--5s', '5,5s', 'NaNs', '.5s', '5.s'])(
    'can not read %j',
    (value) => {
      expect(parseDuration(value)).toBeUndefined()
    },
  )

  it.each([undefined, null, true, 10n, {}, [], () => 10, Symbol('10s'), new Date(5)])('can not read %s', (value) => {
    expect(parseDuration(value)).toBeUndefined()
  })

  it('leaves it to its caller to refuse NaN and Infinity', () => {
    expect(parseDuration(Number.NaN)).toBeNaN()
    expect(parseDuration(Number.POSITIVE_INFINITY)).toBe(Number.POSITIVE_INFINITY)
  })
})
