import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { cron, nextDueAt } from './schedule.ts'

/** The slots after `from` and up to `until`, as ISO texts up to the minute. All times here are UTC. */
function slots(expression: string, timeZone: string, from: string, until: string): string[] {
  const schedule = cron(expression, { timeZone })
  const found: string[] = []
  for (let at = Date.parse(`${from}Z`); ; ) {
    const next = nextDueAt(schedule, at)
    if (next === undefined || next > Date.parse(`${until}Z`)) return found
    found.push(new Date(next).toISOString().slice(0, 16))
    at = next
  }
}

type Case = [zone: string, expression: string, from: string, until: string, expected: string[]]

describe('a fixed time in the hour lost to summer time runs once, right after it', () => {
  it.each<Case>([
    // 29 March, 02:00 becomes 03:00 at 01:00Z
    [
      'Europe/Berlin',
      '30 2 * * *',
      '2026-03-28T00:00',
      '2026-03-30T12:00',
      ['2026-03-28T01:30', '2026-03-29T01:00', '2026-03-30T00:30'],
    ],
    // 24 April, midnight becomes 01:00 at 22:00Z the day before
    [
      'Africa/Cairo',
      '30 0 * * *',
      '2026-04-22T12:00',
      '2026-04-25T12:00',
      ['2026-04-22T22:30', '2026-04-23T22:00', '2026-04-24T21:30'],
    ],
    [
      'Africa/Cairo',
      '0 0 * * *',
      '2026-04-22T12:00',
      '2026-04-25T12:00',
      ['2026-04-22T22:00', '2026-04-23T22:00', '2026-04-24T21:00'],
    ],
    // 4 October, 02:00 becomes 02:30 at 15:30Z the day before
    [
      'Australia/Lord_Howe',
      '15 2 * * *',
      '2026-10-02T12:00',
      '2026-10-05T00:00',
      ['2026-10-02T15:45', '2026-10-03T15:30', '2026-10-04T15:15'],
    ],
    // 6 September, midnight becomes 01:00 at 04:00Z
    [
      'America/Santiago',
      '0 0 * * *',
      '2026-09-05T00:00',
      '2026-09-07T12:00',
      ['2026-09-05T04:00', '2026-09-06T04:00', '2026-09-07T03:00'],
    ],
    // 29 March, midnight becomes 01:00 at 22:00Z the day before
    [
      'Asia/Beirut',
      '30 0 * * *',
      '2026-03-27T12:00',
      '2026-03-30T12:00',
      ['2026-03-27T22:30', '2026-03-28T22:00', '2026-03-29T21:30'],
    ],
    // 28 March, 23:00 becomes midnight of the 29th at 01:00Z
    [
      'America/Nuuk',
      '30 23 * * *',
      '2026-03-27T12:00',
      '2026-03-30T12:00',
      ['2026-03-28T01:30', '2026-03-29T01:00', '2026-03-30T00:30'],
    ],
    // The day that is lost is a Saturday, and the 28th.
    ['America/Nuuk', '0 23 * * SAT', '2026-03-27T12:00', '2026-04-05T12:00', ['2026-03-29T01:00', '2026-04-05T00:00']],
    [
      'America/Nuuk',
      '15 30 23 28 3 *',
      '2026-01-01T00:00',
      '2027-04-01T00:00',
      ['2026-03-29T01:00', '2027-03-29T00:30'],
    ],
    ['America/Nuuk', '30 23 * * SUN', '2026-03-27T12:00', '2026-04-01T00:00', ['2026-03-30T00:30']],
    // With midnight, and with each other, they meet.
    [
      'America/Scoresbysund',
      '15,45 0,23 * * *',
      '2026-03-28T12:00',
      '2026-03-30T00:00',
      ['2026-03-29T01:00', '2026-03-29T01:15', '2026-03-29T01:45'],
    ],
    [
      'America/Scoresbysund',
      '0 0,23 * * *',
      '2026-03-28T12:00',
      '2026-03-30T00:00',
      ['2026-03-29T01:00', '2026-03-30T00:00'],
    ],
    // Only the hour that is lost is moved.
    [
      'America/Nuuk',
      '30 21-23 * * *',
      '2026-03-28T22:00',
      '2026-03-29T23:00',
      ['2026-03-28T23:30', '2026-03-29T00:30', '2026-03-29T01:00', '2026-03-29T22:30'],
    ],
  ])('%s: %s', (zone, expression, from, until, expected) => {
    expect(slots(expression, zone, from, until)).toEqual(expected)
  })
})

describe('a fixed time in the hour that comes twice in autumn runs once', () => {
  it.each<Case>([
    // 25 October, 03:00 becomes 02:00 at 01:00Z
    [
      'Europe/Berlin',
      '30 2 * * *',
      '2026-10-24T00:00',
      '2026-10-26T12:00',
      ['2026-10-24T00:30', '2026-10-25T00:30', '2026-10-26T01:30'],
    ],
    // 30 October, midnight becomes 23:00 of the 29th at 21:00Z
    [
      'Africa/Cairo',
      '30 23 * * *',
      '2026-10-28T12:00',
      '2026-10-31T12:00',
      ['2026-10-28T20:30', '2026-10-29T20:30', '2026-10-30T21:30'],
    ],
    // 5 April, 02:00 becomes 01:30 at 15:00Z the day before
    [
      'Australia/Lord_Howe',
      '45 1 * * *',
      '2026-04-03T12:00',
      '2026-04-06T12:00',
      ['2026-04-03T14:45', '2026-04-04T14:45', '2026-04-05T15:15'],
    ],
    // 5 April, midnight becomes 23:00 of the 4th at 03:00Z
    [
      'America/Santiago',
      '30 23 * * *',
      '2026-04-03T12:00',
      '2026-04-06T12:00',
      ['2026-04-04T02:30', '2026-04-05T02:30', '2026-04-06T03:30'],
    ],
    // 25 October, midnight becomes 23:00 of the 24th at 21:00Z
    [
      'Asia/Beirut',
      '30 23 * * *',
      '2026-10-23T12:00',
      '2026-10-26T12:00',
      ['2026-10-23T20:30', '2026-10-24T20:30', '2026-10-25T21:30'],
    ],
  ])('%s: %s', (zone, expression, from, until, expected) => {
    expect(slots(expression, zone, from, until)).toEqual(expected)
  })
})

describe('each time of a list or range without a step is a fixed time', () => {
  it('runs right after the gap that it falls into, and once for times that meet there', () => {
    expect(slots('30 2,14 * * *', 'Europe/Berlin', '2026-03-28T12:00', '2026-03-29T23:00')).toEqual([
      '2026-03-28T13:30',
      '2026-03-29T01:00',
      '2026-03-29T12:30',
    ])
    expect(slots('0 1-4 * * *', 'Europe/Berlin', '2026-03-28T22:00', '2026-03-29T12:00')).toEqual([
      '2026-03-29T00:00',
      '2026-03-29T01:00',
      '2026-03-29T02:00',
    ])
  })

  it('runs once in the hour that comes twice', () => {
    expect(slots('30 2,14 * * *', 'Europe/Berlin', '2026-10-24T20:00', '2026-10-25T23:00')).toEqual([
      '2026-10-25T00:30',
      '2026-10-25T13:30',
    ])
  })
})

describe('a pattern that is like an interval keeps its rhythm', () => {
  it.each([
    ['Europe/Berlin', '2026-03-28T22:00'],
    ['Europe/Berlin', '2026-10-24T22:00'],
    ['Africa/Cairo', '2026-04-23T20:00'],
    ['Africa/Cairo', '2026-10-29T19:00'],
    ['Australia/Lord_Howe', '2026-10-03T14:00'],
    ['Australia/Lord_Howe', '2026-04-04T13:00'],
    ['America/Santiago', '2026-09-06T02:00'],
    ['America/Santiago', '2026-04-05T01:00'],
    ['Asia/Beirut', '2026-03-28T20:00'],
    ['Asia/Beirut', '2026-10-24T19:00'],
    ['America/Nuuk', '2026-03-28T23:00'],
    ['America/Nuuk', '2026-10-24T23:00'],
  ])('%s around its change after %s: every 15 minutes', (zone, from) => {
    const start = Date.parse(`${from}Z`)
    const until = new Date(start + 5 * 3_600_000).toISOString().slice(0, 16)
    const expected = Array.from({ length: 20 }, (_, index) =>
      new Date(start + (index + 1) * 900_000).toISOString().slice(0, 16),
    )
    expect(slots('*/15 * * * *', zone, from, until)).toEqual(expected)
  })

  it('and an hourly one runs in each hour that there is', () => {
    expect(slots('0 * * * *', 'Europe/Berlin', '2026-10-24T23:30', '2026-10-25T03:30')).toEqual([
      '2026-10-25T00:00',
      '2026-10-25T01:00',
      '2026-10-25T02:00',
      '2026-10-25T03:00',
    ])
  })
})

describe('the zone of the host', () => {
  it.each(['America/New_York', 'Asia/Kolkata', 'Australia/Lord_Howe'])('does not matter: TZ=%s', async (TZ) => {
    const cases = [
      ['30 2 * * *', 'Europe/Berlin', '2026-03-28T12:00Z'],
      ['0 0 * * *', 'UTC', '2026-03-07T20:00Z'],
      ['30 2 * * *', 'UTC', '2026-03-08T01:00Z'],
      ['15 2 * * *', 'Australia/Lord_Howe', '2026-10-03T12:00Z'],
    ] as const
    const program = `
      import { cron, nextDueAt } from ${JSON.stringify(import.meta.resolve('./schedule.ts'))}
      const due = ([text, timeZone, from]) => nextDueAt(cron(text, { timeZone }), Date.parse(from))
      console.log(JSON.stringify([new Date(2026, 0, 1).getTimezoneOffset(), ...${JSON.stringify(cases)}.map(due)]))`
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], {
      env: { ...process.env, TZ, NODE_OPTIONS: '' },
    })
    const [hostOffset, ...found] = JSON.parse(stdout)
    expect(hostOffset).not.toBe(0)
    expect(found).toEqual(cases.map(([text, timeZone, from]) => nextDueAt(cron(text, { timeZone }), Date.parse(from))))
    expect(found[1]).toBe(Date.UTC(2026, 2, 8))
  })
})
