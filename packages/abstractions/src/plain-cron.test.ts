import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { nextCronTime } from './cron.ts'
import { isPlainCron } from './plain-cron.ts'

const isPlain = (expression: string) => isPlainCron(expression.split(' '))

/** Right ones and wrong ones, near the bounds of each field. */
const numbers = fc.oneof(fc.integer({ min: 1, max: 6 }), fc.integer({ min: -1, max: 61 })).map(String)
const parts = fc.oneof(
  fc.constant('*'),
  numbers,
  fc.tuple(numbers, numbers).map(([from, to]) => `${from}-${to}`),
  numbers.map((step) => `*/${step}`),
)
const fields = fc.array(parts, { minLength: 1, maxLength: 3 }).map((list) => list.join(','))
const expressions = fc
  .tuple(fc.oneof(fields, fc.constant(undefined)), fields, fields, fields, fields, fields)
  .map((all) => all.filter((field) => field !== undefined).join(' '))
  .filter(isPlain)

describe('isPlainCron', () => {
  it('knows only expressions that can be read and fire, in any zone', () => {
    const zones = fc.constantFrom('UTC', 'Europe/Berlin', 'Australia/Lord_Howe')
    const times = fc.integer({ min: Date.UTC(1971, 0), max: Date.UTC(2100, 0) })
    fc.assert(
      fc.property(expressions, zones, times, (expression, zone, afterMs) => {
        expect(nextCronTime(expression, zone, afterMs)).toBeGreaterThan(afterMs)
      }),
    )
  })

  it.each(['* * * * *', '*/15 0-6,22 1,28 12 0', '0 05 23 28 2 *', '*/59 */23 */28 */12 */6', '59 59 23 1 1 6'])(
    'knows %s',
    (expression) => expect(isPlain(expression)).toBe(true),
  )

  it.each([
    '60 * * * *',
    '* 24 * * *',
    '* * 0 * *',
    '* * 29 2 *',
    '* * * 13 *',
    '* * * * 7',
    '*/0 * * * *',
    '*/60 * * * *',
    '5-1 * * * *',
    '1- * * * *',
    '1,, * * * *',
    '1.5 * * * *',
    'L * * * *',
    '* * * JAN *',
    '* * * * 1#2',
    '5/15 * * * *',
    '@daily',
    '',
  ])('leaves %j to be parsed', (expression) => expect(isPlain(expression)).toBe(false))
})
