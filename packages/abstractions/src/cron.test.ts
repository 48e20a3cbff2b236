import { Cron } from 'croner'
import { describe, expect, it, vi } from 'vitest'
import { findCronProblem, nextCronTime } from './cron.ts'

/** The next `count` times after `from`, as ISO texts up to the second. */
function times(expression: string, from: string, count = 3, timeZone = 'UTC'): string[] {
  const found: string[] = []
  let after = Date.parse(`${from}Z`)
  for (let index = 0; index < count; index++) {
    after = nextCronTime(expression, timeZone, after) as number
    found.push(new Date(after).toISOString().slice(0, 19))
  }
  return found
}

describe('nextCronTime', () => {
  it.each([
    ['*/20 * * * *', ['2026-01-01T00:20:00', '2026-01-01T00:40:00', '2026-01-01T01:00:00']],
    ['*/20 * * * * *', ['2026-01-01T00:00:20', '2026-01-01T00:00:40', '2026-01-01T00:01:00']],
    ['5,50 8-9 * * *', ['2026-01-01T08:05:00', '2026-01-01T08:50:00', '2026-01-01T09:05:00']],
    ['0 0 * * MON', ['2026-01-05T00:00:00', '2026-01-12T00:00:00', '2026-01-19T00:00:00']],
    ['0 0 * * 7', ['2026-01-04T00:00:00', '2026-01-11T00:00:00', '2026-01-18T00:00:00']],
    ['0 0 1 MAR,jun *', ['2026-03-01T00:00:00', '2026-06-01T00:00:00', '2027-03-01T00:00:00']],
    ['0 0 L * *', ['2026-01-31T00:00:00', '2026-02-28T00:00:00', '2026-03-31T00:00:00']],
    ['0 0 15W * *', ['2026-01-15T00:00:00', '2026-02-16T00:00:00', '2026-03-16T00:00:00']],
    ['0 0 * * FRI#2', ['2026-01-09T00:00:00', '2026-02-13T00:00:00', '2026-03-13T00:00:00']],
    ['0 0 * * 5L', ['2026-01-30T00:00:00', '2026-02-27T00:00:00', '2026-03-27T00:00:00']],
    ['0 0 29 2 *', ['2028-02-29T00:00:00', '2032-02-29T00:00:00', '2036-02-29T00:00:00']],
    // Vixie: with a day and a weekday either of them will do.
    ['0 0 13 * FRI', ['2026-01-02T00:00:00', '2026-01-09T00:00:00', '2026-01-13T00:00:00']],
    ['@hourly', ['2026-01-01T01:00:00', '2026-01-01T02:00:00', '2026-01-01T03:00:00']],
    ['@daily', ['2026-01-02T00:00:00', '2026-01-03T00:00:00', '2026-01-04T00:00:00']],
    ['@midnight', ['2026-01-02T00:00:00', '2026-01-03T00:00:00', '2026-01-04T00:00:00']],
    ['@weekly', ['2026-01-04T00:00:00', '2026-01-11T00:00:00', '2026-01-18T00:00:00']],
    ['@monthly', ['2026-02-01T00:00:00', '2026-03-01T00:00:00', '2026-04-01T00:00:00']],
    ['@yearly', ['2027-01-01T00:00:00', '2028-01-01T00:00:00', '2029-01-01T00:00:00']],
    ['@annually', ['2027-01-01T00:00:00', '2028-01-01T00:00:00', '2029-01-01T00:00:00']],
  ])('reads %s', (expression, expected) => {
    expect(findCronProblem(expression, 'UTC')).toBeUndefined()
    expect(times(expression, '2026-01-01T00:00:00')).toEqual(expected)
  })

  it('finds the slot after a time that is not a whole second', () => {
    expect(nextCronTime('* * * * * *', 'UTC', Date.UTC(2026, 0, 1, 0, 0, 0, 1))).toBe(Date.UTC(2026, 0, 1, 0, 0, 1))
    expect(nextCronTime('* * * * * *', 'UTC', Date.UTC(2026, 0, 1, 0, 0, 0, 999))).toBe(Date.UTC(2026, 0, 1, 0, 0, 1))
    expect(nextCronTime('* * * * * *', 'UTC', Date.UTC(2026, 0, 1, 0, 0, 1))).toBe(Date.UTC(2026, 0, 1, 0, 0, 2))
  })

  it('gives the same answers however many other expressions are asked for in between', () => {
    const expressions = Array.from({ length: 200 }, (_, index) => `${index % 60} ${Math.floor(index / 60)} * * *`)
    const ask = () => expressions.map((expression) => nextCronTime(expression, 'Europe/Berlin', Date.UTC(2026, 4, 1)))
    const first = ask()
    expect(ask()).toEqual(first)
    expect(new Set(first).size).toBe(200)
  })

  it('keeps the same expression in two zones apart', () => {
    const at = (zone: string) => nextCronTime('0 12 * * *', zone, Date.UTC(2026, 0, 1))
    expect(at('UTC')).toBe(Date.UTC(2026, 0, 1, 12))
    expect(at('Asia/Tokyo')).toBe(Date.UTC(2026, 0, 1, 3))
    expect(at('UTC')).toBe(Date.UTC(2026, 0, 1, 12))
  })

  it.each([Number.NaN, Number.POSITIVE_INFINITY, -8.64e15, 8.64e15])('gives nothing after %d', (afterMs) => {
    expect(nextCronTime('@daily', 'UTC', afterMs)).toBeUndefined()
  })
})

describe('findCronProblem', () => {
  it.each<[string, RegExp]>([
    ['* * * *', /^"\* \* \* \*" has 4 fields; write 5 \(minute hour day month weekday\) or 6 \(second first\)\.$/],
    ['*', /^"\*" has 1 field; write 5/],
    ['0 0 0 1 1 * 2026', /^"0 0 0 1 1 \* 2026" has 7 fields; write 5/],
    ['2026-01-01T00:00:00', /^"2026-01-01T00:00:00" has 1 field; write 5/],
    ['@reboot', /^"@reboot" is not a known nickname\. Known are: @yearly @annually @monthly @weekly @daily/],
    ['@every 5m', /^"@every 5m" is not a known nickname/],
    ['0 0 30 2 *', /^"0 0 30 2 \*" never fires: no such date exists\.$/],
    ['0 0 31 4,6,9,11 *', /never fires: no such date exists\.$/],
    ['60 * * * *', /^"60 \* \* \* \*" can not be read: .*minute: 60/],
    ['* 24 * * *', /can not be read: .*hour: 24/],
    ['* * 32 * *', /can not be read: .*day/],
    ['* * 0 * *', /can not be read: .*day/],
    ['* * * 13 *', /can not be read: .*month/],
    ['* * * * 8', /can not be read: .*dayOfWeek: 8/],
    ['* * * * MONN', /can not be read: .*MONN/],
    ['*/0 * * * *', /can not be read: .*stepping: 0/],
    ['*/61 * * * *', /can not be read: .*steps/],
    ['5-1 * * * *', /can not be read: .*'5-1'/],
    ['-1 * * * *', /can not be read:/],
    ['1.5 * * * *', /can not be read:/],
    ['a b c d e', /can not be read:/],
    ['* * * * 1#6', /can not be read:/],
  ])('says what is wrong with %s', (expression, problem) => {
    expect(findCronProblem(expression, 'UTC')).toMatch(problem)
  })

  it.each([
    [
      'Mars/Olympus',
      /^the time zone "Mars\/Olympus" is not known\. Use an IANA name such as 'UTC' or 'Europe\/Berlin'\.$/,
    ],
    ['', /^the time zone "" is not known/],
    [' UTC', /^the time zone " UTC" is not known/],
    ['local', /^the time zone "local" is not known/],
    ['+02:00', /^the time zone "\+02:00" is an offset\. Use an IANA name/],
    ['-0330', /^the time zone "-0330" is an offset/],
  ])('refuses the zone %j', (zone, problem) => {
    expect(findCronProblem('@daily', zone)).toMatch(problem)
  })

  it.each(['UTC', 'Europe/Berlin', 'Etc/GMT+5', 'America/Argentina/Buenos_Aires', 'CET'])(
    'takes the zone %s',
    (zone) => {
      expect(findCronProblem('@daily', zone)).toBeUndefined()
    },
  )
})

describe('the gap that was last asked about', () => {
  it('is reckoned once, however many workers have the expression', () => {
    using nextRun = vi.spyOn(Cron.prototype, 'nextRun')
    const expression = '17 4 * * *'
    const from = Date.UTC(2030, 0, 1)
    const answers = Array.from({ length: 1_000 }, (_, minute) => nextCronTime(expression, 'UTC', from + minute * 1_000))
    expect(new Set(answers)).toEqual(new Set([Date.UTC(2030, 0, 1, 4, 17)]))
    expect(nextRun).toHaveBeenCalledTimes(1)
  })

  it('ends with its slot, and does not begin before the time it was asked from', () => {
    const at = (day: number, hour: number, minute: number, second = 0) => Date.UTC(2031, 0, day, hour, minute, second)
    const next = (afterMs: number) => nextCronTime('17 4 * * *', 'UTC', afterMs)
    expect(next(at(2, 0, 0))).toBe(at(2, 4, 17))
    expect(next(at(2, 4, 17) - 1)).toBe(at(2, 4, 17))
    expect(next(at(2, 4, 17))).toBe(at(3, 4, 17))
    expect(next(at(1, 0, 0))).toBe(at(1, 4, 17))
    expect(next(at(3, 4, 16, 59))).toBe(at(3, 4, 17))
  })

  it('is the one of UTC also in a zone that is UTC by another name', () => {
    const expressions = [
      '*/7 * * * * *',
      '0 0 29 2 *',
      '0 0 L * *',
      '0 12 15W * *',
      '0 0 * * 5#2',
      '0 0 13 * 5',
      '@weekly',
    ]
    const froms = Array.from({ length: 40 }, (_, index) =>
      Date.UTC(1970 + index, (index * 7) % 12, index, index % 24, 59),
    )
    const answers = (timeZone: string) =>
      expressions.flatMap((expression) => froms.map((from) => nextCronTime(expression, timeZone, from)))
    expect(answers('UTC')).toEqual(answers('Etc/GMT'))
  })

  it('belongs to one zone', () => {
    const from = Date.UTC(2032, 6, 1)
    expect(nextCronTime('17 4 * * *', 'UTC', from)).toBe(Date.UTC(2032, 6, 1, 4, 17))
    expect(nextCronTime('17 4 * * *', 'Europe/Berlin', from)).toBe(Date.UTC(2032, 6, 1, 2, 17))
  })
})
