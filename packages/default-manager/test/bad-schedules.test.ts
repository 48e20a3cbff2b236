import { every } from '@background-workers/abstractions'
import { describe, it } from 'vitest'
import { type BadCall, add, refuses, thrower, trap } from './fixtures/bad-call.ts'

const badSchedule = (value: unknown) => add({ schedule: value })
const cronOf = (expression: unknown, timeZone: unknown = 'UTC') => badSchedule({ kind: 'cron', expression, timeZone })
const everyOf = (periodMs: unknown, offsetMs?: unknown) => badSchedule({ kind: 'every', periodMs, offsetMs })
const schedules: BadCall[] = [
  [
    'doWork without a schedule',
    badSchedule(undefined),
    'invalid-schedule',
    'Worker "bad": expected a schedule, got undefined. Make one with every() or cron().',
  ],
  [
    'a schedule that is a text',
    badSchedule('10m'),
    'invalid-schedule',
    'Worker "bad": expected a schedule, got "10m". Make one with every() or cron().',
  ],
  [
    'a schedule that is a function',
    badSchedule(every),
    'invalid-schedule',
    'Worker "bad": expected a schedule, got a function. Make one with every() or cron().',
  ],
  [
    'an empty schedule',
    badSchedule({}),
    'invalid-schedule',
    'Worker "bad": a schedule of kind undefined is not known. Make one with every() or cron().',
  ],
  [
    'kind __proto__',
    badSchedule({ kind: '__proto__' }),
    'invalid-schedule',
    'Worker "bad": a schedule of kind "__proto__" is not known. Make one with every() or cron().',
  ],
  ['a period of 0', everyOf(0), 'invalid-schedule', 'Worker "bad": the period of 0 ms is below the smallest, 1 ms.'],
  [
    'a negative period',
    everyOf(-60_000),
    'invalid-schedule',
    'Worker "bad": the period of -60000 ms is below the smallest, 1 ms.',
  ],
  [
    'a period of NaN',
    everyOf(Number.NaN),
    'invalid-schedule',
    'Worker "bad": the period must be a number of ms, got NaN.',
  ],
  [
    'an endless period',
    everyOf(Number.POSITIVE_INFINITY),
    'invalid-schedule',
    'Worker "bad": the period of Infinity ms is above the longest, 3,650 days.',
  ],
  [
    'a period above 3,650 days',
    everyOf(315_360_000_001),
    'invalid-schedule',
    'Worker "bad": the period of 315360000001 ms is above the longest, 3,650 days.',
  ],
  [
    'half a millisecond',
    everyOf(1.5),
    'invalid-schedule',
    'Worker "bad": the period of 1.5 ms is not a whole number of ms.',
  ],
  [
    'a period that is a text',
    everyOf('10m'),
    'invalid-schedule',
    'Worker "bad": the period must be a number of ms, got "10m".',
  ],
  [
    'a period that is a bigint',
    everyOf(1_000n),
    'invalid-schedule',
    'Worker "bad": the period must be a number of ms, got 1000n.',
  ],
  [
    'a negative offset',
    everyOf(1_000, -1),
    'invalid-schedule',
    'Worker "bad": the offset of -1 ms must be 0 or more and below the period of 1000 ms.',
  ],
  [
    'an offset as long as the period',
    everyOf(1_000, 1_000),
    'invalid-schedule',
    'Worker "bad": the offset of 1000 ms must be 0 or more and below the period of 1000 ms.',
  ],
  [
    'an offset of null',
    everyOf(1_000, null),
    'invalid-schedule',
    'Worker "bad": the offset must be a whole number of ms, got null.',
  ],
  [
    'a key of another kind',
    badSchedule({ kind: 'every', periodMs: 5, timeZone: 'UTC' }),
    'invalid-schedule',
    'Worker "bad": unknown option "timeZone". Known are: kind, periodMs, offsetMs.',
  ],
  [
    'an own key __proto__',
    badSchedule(JSON.parse('{"kind":"every","periodMs":5,"__proto__":{}}')),
    'invalid-schedule',
    'Worker "bad": unknown option "__proto__". Known are: kind, periodMs, offsetMs.',
  ],
  [
    'a period that throws',
    badSchedule(thrower('periodMs', { kind: 'every' })),
    'invalid-schedule',
    'Worker "bad": "periodMs" throws when it is read.',
  ],
  [
    'a schedule proxy that throws',
    badSchedule(new Proxy({}, { get: trap, ownKeys: trap })),
    'invalid-schedule',
    'Worker "bad": a schedule of kind undefined is not known. Make one with every() or cron().',
  ],
  [
    'four cron fields',
    cronOf('* * * *'),
    'invalid-schedule',
    'Worker "bad": "* * * *" has 4 fields; write 5 (minute hour day month weekday) or 6 (second first).',
  ],
  [
    'a year field',
    cronOf('0 0 0 1 1 * 2030'),
    'invalid-schedule',
    /^Worker "bad": "0 0 0 1 1 \* 2030" has 7 fields; write 5/,
  ],
  [
    '@reboot',
    cronOf('@reboot'),
    'invalid-schedule',
    /^Worker "bad": "@reboot" is not a known nickname\. Known are: @yearly/,
  ],
  [
    '30 February',
    cronOf('0 0 30 2 *'),
    'invalid-schedule',
    'Worker "bad": "0 0 30 2 *" never fires: no such date exists.',
  ],
  ['minute 60', cronOf('60 * * * *'), 'invalid-schedule', /^Worker "bad": "60 \* \* \* \*" can not be read: /],
  [
    'a cron that is a number',
    cronOf(5),
    'invalid-schedule',
    'Worker "bad": "expression" must be a text of 1 to 1,000 characters, got 5.',
  ],
  [
    'a very long cron',
    cronOf('*'.repeat(1_001)),
    'invalid-schedule',
    /^Worker "bad": "expression" must be a text of 1 to 1,000 characters, got "\*{60}…"\.$/,
  ],
  [
    'an unknown zone',
    cronOf('@daily', 'Mars/Base'),
    'invalid-schedule',
    `Worker "bad": the time zone "Mars/Base" is not known. Use an IANA name such as 'UTC' or 'Europe/Berlin'.`,
  ],
  [
    'an offset as a zone',
    cronOf('@daily', '+02:00'),
    'invalid-schedule',
    /^Worker "bad": the time zone "\+02:00" is an offset\. Use an IANA name/,
  ],
  [
    'a zone of null',
    cronOf('@daily', null),
    'invalid-schedule',
    'Worker "bad": "timeZone" must be a text of 1 to 1,000 characters, got null.',
  ],
]

describe('a bad schedule', () => {
  it.each(schedules)('is refused and changes nothing: %s', refuses)
})
