import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { InvalidOptionsError, InvalidScheduleError } from './errors.ts'
import { MAX_DURATION_MS } from './duration.ts'
import { type Schedule, checkSchedule, cron, every, intervalOffset, isSameSchedule, nextDueAt } from './schedule.ts'

const START = Date.UTC(2026, 0, 1)
const DAY_MS = 86_400_000

describe('every', () => {
  it('takes milliseconds or a text with a unit', () => {
    expect(every(600_000)).toEqual({ kind: 'every', periodMs: 600_000 })
    expect(every('10m')).toEqual({ kind: 'every', periodMs: 600_000 })
    expect(every('1d', { offset: '6h' })).toEqual({ kind: 'every', periodMs: DAY_MS, offsetMs: 21_600_000 })
  })

  it('takes an undefined offset for none, as cron does an undefined zone', () => {
    expect(every('10m', { offset: undefined })).toStrictEqual(every('10m'))
    expect(cron('4 5 * * *', { timeZone: undefined })).toStrictEqual(cron('4 5 * * *'))
  })

  it('takes the shortest and the longest period, and an offset just below the period', () => {
    expect(every(1).periodMs).toBe(1)
    expect(every('3650d').periodMs).toBe(MAX_DURATION_MS)
    expect(every(1_000, { offset: 999 }).offsetMs).toBe(999)
    expect(every(1_000, { offset: 0 }).offsetMs).toBe(0)
  })

  it.each<[unknown, unknown, RegExp]>([
    [0, {}, /^every: the period of 0 ms is below the smallest, 1 ms\.$/],
    [-1, {}, /^every: the period of -1 ms is below the smallest/],
    [Number.NaN, {}, /^every: the period must be a number of ms, got NaN\.$/],
    [Number.POSITIVE_INFINITY, {}, /^every: the period of Infinity ms is above the longest, 3,650 days\.$/],
    [MAX_DURATION_MS + 1, {}, /^every: the period of 315360000001 ms is above the longest/],
    [1.5, {}, /^every: the period of 1\.5 ms is not a whole number of ms\.$/],
    [
      'soon',
      {},
      /^every: the period "soon" can not be read\. Write ms as a number, or a text with one of the units ms, s, m, h, d/,
    ],
    [undefined, {}, /^every: the period undefined can not be read/],
    [10n, {}, /^every: the period 10n can not be read/],
    ['1s', { offset: -1 }, /^every: the offset of -1 ms must be 0 or more and below the period of 1000 ms\.$/],
    ['1s', { offset: '1s' }, /^every: the offset of 1000 ms must be 0 or more and below the period of 1000 ms\.$/],
    ['1s', { offset: 0.5 }, /^every: the offset must be a whole number of ms, got 0\.5\.$/],
    ['1s', { offset: null }, /^every: the offset null can not be read/],
    ['1s', { ofset: 1 }, /^every\("1s"\): unknown option "ofset"\. Known are: offset\.$/],
    ['1s', null, /^every\("1s"\): expected an options object, got null\.$/],
  ])('refuses every(%s, %j)', (period, options, message) => {
    const call = () => every(period as never, options as never)
    expect(call).toThrow(InvalidScheduleError)
    expect(call).toThrow(message)
  })
})

describe('cron', () => {
  it('reads its expression in UTC unless a zone is given', () => {
    expect(cron('0 3 * * *')).toEqual({ kind: 'cron', expression: '0 3 * * *', timeZone: 'UTC' })
    expect(cron('@daily', { timeZone: 'Africa/Cairo' }).timeZone).toBe('Africa/Cairo')
  })

  it('brings the spaces in order', () => {
    expect(cron('  0\t3  * *   * ').expression).toBe('0 3 * * *')
  })

  it.each<[unknown, unknown, RegExp]>([
    [5, undefined, /^cron: "expression" must be a text of 1 to 1,000 characters, got 5\.$/],
    [undefined, undefined, /^cron: the cron expression must be a text, got undefined\.$/],
    ['0 3 * * *', { timezone: 'UTC' }, /^cron\("0 3 \* \* \*"\): unknown option "timezone"\. Known are: timeZone\.$/],
    ['0 3 * * *', { timeZone: 2 }, /^cron\("0 3 \* \* \*"\): "timeZone" must be a text of 1 to 1,000 characters/],
  ])('refuses cron(%s, %j)', (expression, options, message) => {
    const call = () => cron(expression as never, options as never)
    expect(call).toThrow(InvalidScheduleError)
    expect(call).toThrow(message)
  })
})

describe('a schedule', () => {
  const schedules: Schedule[] = [every('10m'), every('10m', { offset: '30s' }), cron('0 3 * * *')]

  it.each(schedules)('is frozen plain data: %j', (schedule) => {
    expect(Object.isFrozen(schedule)).toBe(true)
    expect(Object.getPrototypeOf(schedule)).toBe(Object.prototype)
  })

  it.each(schedules)('is the same after a round trip through JSON: %j', (schedule) => {
    const copy = checkSchedule(JSON.parse(JSON.stringify(schedule)), 'copy')
    expect(copy).toEqual(schedule)
    expect(isSameSchedule(copy, schedule)).toBe(true)
    expect(nextDueAt(copy, START, 'a')).toBe(nextDueAt(schedule, START, 'a'))
  })

  it('is another one as soon as one part differs', () => {
    const [first, ...others] = [
      every('10m'),
      every('11m'),
      every('10m', { offset: 0 }),
      cron('@daily'),
      cron('@hourly'),
      cron('@daily', { timeZone: 'Asia/Beirut' }),
    ]
    for (const other of others) expect(isSameSchedule(first as Schedule, other as Schedule)).toBe(false)
    expect(isSameSchedule(cron('@daily'), cron('@daily', { timeZone: 'Asia/Beirut' }))).toBe(false)
  })
})

describe('checkSchedule', () => {
  it.each<[unknown, RegExp]>([
    [undefined, /^w: expected a schedule, got undefined\. Make one with every\(\) or cron\(\)\.$/],
    ['10m', /^w: expected a schedule, got "10m"/],
    [{}, /^w: a schedule of kind undefined is not known/],
    [{ kind: 'daily' }, /^w: a schedule of kind "daily" is not known/],
    [{ kind: 'every' }, /^w: the period must be a number of ms, got undefined\.$/],
    [{ kind: 'every', periodMs: '5' }, /^w: the period must be a number of ms, got "5"\.$/],
    [{ kind: 'every', periodMs: 5, jitter: 1 }, /^w: unknown option "jitter"\. Known are: kind, periodMs, offsetMs\.$/],
    [{ kind: 'cron', expression: '@daily' }, /^w: the time zone must be a text, got undefined\.$/],
    [JSON.parse('{"kind":"every","periodMs":5,"__proto__":{"offsetMs":1}}'), /^w: unknown option "__proto__"/],
    [
      {
        get kind(): never {
          throw new Error('no')
        },
      },
      /^w: a schedule of kind undefined is not known/,
    ],
    [
      {
        kind: 'every',
        get periodMs(): never {
          throw new Error('no')
        },
      },
      /^w: "periodMs" throws when it is read\.$/,
    ],
  ])('refuses what is none: case %#', (schedule, message) => {
    expect(() => checkSchedule(schedule, 'w')).toThrow(message)
    expect(() => checkSchedule(schedule, 'w')).toThrow(InvalidScheduleError)
  })

  it("refuses a period below the manager's smallest", () => {
    expect(() => checkSchedule(every(999), 'w', 1_000)).toThrow(
      'w: the period of 999 ms is below the smallest, 1000 ms.',
    )
    expect(checkSchedule(every(1_000), 'w', 1_000)).toEqual(every(1_000))
  })

  it('gives all workers of a period one schedule, and still refuses it where the smallest period is longer', () => {
    expect(checkSchedule({ kind: 'every', periodMs: 500 }, 'x')).toBe(every(500))
    expect(() => checkSchedule(every(500), 'x', 1_000)).toThrow('the period of 500 ms is below the smallest, 1000 ms.')
  })

  it('gives all workers of an expression and a zone one schedule', () => {
    const schedule = cron('4 5 * * *', { timeZone: 'Asia/Tokyo' })
    expect(cron(' 4  5 * * *', { timeZone: 'Asia/Tokyo' })).toBe(schedule)
    expect(checkSchedule({ ...schedule }, 'x')).toBe(schedule)
    expect(cron('4 5 * * *')).toEqual({ ...schedule, timeZone: 'UTC' })
    expect(() => checkSchedule({ ...schedule, offsetMs: 0 }, 'x')).toThrow('x: unknown option "offsetMs".')
  })

  it('gives a frozen copy and leaves what it was given as it is', () => {
    const given = { kind: 'every', periodMs: 5_000, offsetMs: undefined }
    const checked = checkSchedule(given, 'w')
    expect(checked).not.toBe(given)
    expect(checked).toStrictEqual({ kind: 'every', periodMs: 5_000 })
    expect(Object.isFrozen(given)).toBe(false)
  })
})

describe('nextDueAt', () => {
  it('puts the slots of an interval at k * period + offset', () => {
    const schedule = every('1h', { offset: '5m' })
    expect(nextDueAt(schedule, START)).toBe(START + 300_000)
    expect(nextDueAt(schedule, START + 300_000)).toBe(START + 3_900_000)
    expect(nextDueAt(schedule, START + 300_001)).toBe(START + 3_900_000)
  })

  it('takes a hash of the name as the offset, the same on every instance', () => {
    expect(nextDueAt(every('1h'), 0, 'send-digest')).toBe((3_254_943_435_965_426 % 360_000) * 10)
    expect(nextDueAt(every('1d'), START, 'a')).toBe(START + (3_029_734_799_749_555 % (DAY_MS / 10)) * 10)
  })

  it.each([
    [2, 1, 2],
    [99, 1, 99],
    [100, 10, 10],
    [109, 10, 10],
    [1_000, 10, 100],
  ])('spreads workers every %i ms in steps of %i ms over %i places', (periodMs, stepMs, places) => {
    const schedule = every(periodMs)
    const offsets = Array.from({ length: 5_000 }, (_, index) => intervalOffset(schedule, `worker-${index}`))
    expect(new Set(offsets)).toEqual(new Set(Array.from({ length: places }, (_, place) => place * stepMs)))
  })

  it('needs the name of the worker for an interval without an offset', () => {
    expect(() => nextDueAt(every('1h'), START)).toThrow(InvalidScheduleError)
    expect(nextDueAt(every('1h', { offset: 0 }), START)).toBe(START + 3_600_000)
    expect(nextDueAt(cron('@hourly'), START)).toBe(START + 3_600_000)
  })

  it('knows periods of 30 and of 3,650 days', () => {
    for (const days of [30, 3_650]) {
      const first = nextDueAt(every(days * DAY_MS), START, 'a') as number
      expect(first).toBeGreaterThan(START)
      expect(first).toBeLessThanOrEqual(START + days * DAY_MS)
      expect(nextDueAt(every(days * DAY_MS), first, 'a')).toBe(first + days * DAY_MS)
    }
  })

  it('gives nothing beyond what a Date can hold, and for a time that is none', () => {
    expect(nextDueAt(every(MAX_DURATION_MS, { offset: 0 }), 8.64e15)).toBeUndefined()
    expect(nextDueAt(cron('@daily'), Date.UTC(2999, 11, 31))).toBeUndefined()
    expect(nextDueAt(cron('@daily'), Date.UTC(2999, 11, 30))).toBe(Date.UTC(2999, 11, 31))
    for (const time of [Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(nextDueAt(every('1s', { offset: 0 }), time)).toBeUndefined()
      expect(nextDueAt(cron('@daily'), time)).toBeUndefined()
    }
  })

  it.each([new Date(START), '2026-01-01', undefined, null, 5n])('refuses to look after %s', (after) => {
    for (const schedule of [every('1h', { offset: 0 }), cron('@daily')]) {
      expect(() => nextDueAt(schedule, after as never)).toThrow(InvalidOptionsError)
      expect(() => nextDueAt(schedule, after as never)).toThrow(
        'nextDueAt: afterMs must be a number of ms since the epoch',
      )
    }
  })

  it('says how to look after a Date', () => {
    expect(() => nextDueAt(cron('@daily'), new Date() as never)).toThrow(
      /got an object\. Of a Date pass getTime\(\)\.$/,
    )
  })

  it.each<[unknown, string]>([
    [undefined, 'expected a schedule, got undefined. Make one with every() or cron().'],
    [null, 'expected a schedule, got null.'],
    ['@daily', 'expected a schedule, got "@daily".'],
    [{}, 'a schedule of kind undefined is not known.'],
    [{ kind: 'daily' }, 'a schedule of kind "daily" is not known.'],
    [{ kind: 'every' }, 'the period must be a number of ms, got undefined.'],
    [{ kind: 'every', periodMs: 0 }, 'the period of 0 ms is below the smallest'],
    [{ kind: 'every', periodMs: Number.NaN }, 'the period must be a number of ms, got NaN.'],
    [{ kind: 'cron', timeZone: 'UTC' }, 'the cron expression must be a text, got undefined.'],
    // The zone would be the host's.
    [{ kind: 'cron', expression: '@daily' }, 'the time zone must be a text, got undefined.'],
  ])('refuses %j, which is no schedule', (schedule, message) => {
    expect(() => nextDueAt(schedule as never, START, 'a')).toThrow(InvalidScheduleError)
    expect(() => nextDueAt(schedule as never, START, 'a')).toThrow(`nextDueAt: ${message}`)
  })

  it('works before 1970', () => {
    expect(nextDueAt(every('1h', { offset: '5m' }), -3_600_000)).toBe(-3_300_000)
    expect(nextDueAt(cron('@daily'), Date.UTC(1969, 6, 20, 20, 17))).toBe(Date.UTC(1969, 6, 21))
  })

  const time = fc.integer({ min: -(10 ** 12), max: 4 * 10 ** 12 })
  const interval = fc
    .record({
      periodMs: fc.integer({ min: 1, max: MAX_DURATION_MS }),
      part: fc.double({ min: 0, max: 0.999, noNaN: true }),
    })
    .map(({ periodMs, part }) => every(periodMs, { offset: Math.floor(part * periodMs) }))
  const expression = fc.constantFrom(
    '*/7 * * * *',
    '30 2 * * *',
    '*/10 * * * * *',
    '0 0 L * *',
    '15 10 * * MON-FRI',
    '@weekly',
  )
  const zone = fc.constantFrom('UTC', 'Europe/Berlin', 'Australia/Lord_Howe', 'America/Santiago')
  const anyCron = fc.tuple(expression, zone).map(([text, timeZone]) => cron(text, { timeZone }))

  it('is strictly after the given time, and the same from any time between two slots', () => {
    fc.assert(
      fc.property(
        fc.oneof(interval, anyCron),
        time,
        fc.double({ min: 0, max: 1, noNaN: true }),
        (schedule, after, part) => {
          const next = nextDueAt(schedule, after) as number
          expect(next).toBeGreaterThan(after)
          // Asked about another slot meanwhile, it no longer knows this one by heart.
          expect(nextDueAt(schedule, next) as number).toBeGreaterThan(next)
          const between = after + Math.floor(part * (next - 1 - after))
          expect(nextDueAt(schedule, between)).toBe(next)
        },
      ),
      { seed: 2, numRuns: 300 },
    )
  })

  it('gives an interval a first slot within one period, and every slot one period apart', () => {
    fc.assert(
      fc.property(interval, time, (schedule, after) => {
        const first = nextDueAt(schedule, after) as number
        expect(first - after).toBeLessThanOrEqual(schedule.periodMs)
        expect(nextDueAt(schedule, first)).toBe(first + schedule.periodMs)
        const remainder = (first - (schedule.offsetMs as number)) % schedule.periodMs
        expect(Math.abs(remainder)).toBe(0)
      }),
      { seed: 3, numRuns: 300 },
    )
  })
})
