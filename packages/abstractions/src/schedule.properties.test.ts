import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type KnownCron,
  type Zone,
  endOfWindow,
  knownCrons,
  readZone,
  scheduleOf,
  walkCalendar,
} from '../test/calendar.ts'
import { latestDueSlot } from './due-slot.ts'
import { cron, nextDueAt } from './schedule.ts'

const HOUR_MS = 3_600_000
const FROM = Date.UTC(2019, 0, 1)
const UNTIL = Date.UTC(2031, 0, 1)

// Each for an oddity of its own.
const zones = [
  'UTC',
  'Africa/Cairo', // changes at midnight, and has summer time again since 2023
  'Africa/Casablanca', // goes back for Ramadan
  'Africa/El_Aaiun',
  'Africa/Juba', // moved by an hour in 2021
  'Africa/Sao_Tome',
  'America/Asuncion', // stopped in 2024, in summer time
  'America/Ciudad_Juarez', // changed its zone in 2022
  'America/Havana', // changes at midnight
  'America/Mexico_City',
  'America/New_York',
  'America/Nuuk', // changed its offset and then its rules in 2023; 23:00 becomes midnight since 2024
  'America/Santiago', // changes at midnight
  'America/Scoresbysund', // the same as Nuuk since 2024
  'America/St_Johns', // half an hour off
  'Antarctica/Casey', // went to and fro
  'Antarctica/Troll', // changes by two hours
  'Asia/Almaty', // set back at midnight in 2024
  'Asia/Amman', // stopped in 2022, in summer time
  'Asia/Beirut', // changes at midnight
  'Asia/Gaza', // stops for Ramadan
  'Asia/Kathmandu', // a quarter of an hour off
  'Asia/Tehran', // stopped in 2022
  'Australia/Lord_Howe', // changes by half an hour
  'Europe/Berlin',
  'Europe/Dublin', // its winter time is the exception
  'Europe/Volgograd', // moved by an hour in 2020
  'Pacific/Chatham', // a quarter of an hour off, with summer time
  'Pacific/Easter',
  'Pacific/Fiji',
].map((name) => readZone(name, FROM, UNTIL))

// Drawn more often: a fixed time that is lost there comes on the next day.
const losingMidnight = zones.filter(({ name }) => ['America/Nuuk', 'America/Scoresbysund'].includes(name))

/** A zone, an expression, and a window that mostly has a change in it. */
const cases = fc
  .record({
    zone: fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom(...zones) },
      { weight: 1, arbitrary: fc.constantFrom(...losingMidnight) },
    ),
    known: knownCrons,
    change: fc.nat(),
    before: fc.integer({ min: 0, max: 30 * HOUR_MS }),
    anyTime: fc.integer({ min: FROM + 100 * HOUR_MS, max: UNTIL - 100 * HOUR_MS }),
  })
  .map(({ zone, known, change, before, anyTime }) => {
    const changes = zone.changes.filter((time) => time < UNTIL - 100 * HOUR_MS)
    const from = (changes[change % Math.max(1, changes.length)] ?? anyTime) - before
    return { zone, known, from, until: endOfWindow(known, from, before) }
  })

function slotsByNextDueAt(known: KnownCron, zone: Zone, from: number, until: number): number[] {
  const schedule = scheduleOf(known, zone)
  const slots: number[] = []
  for (let at = nextDueAt(schedule, from); at !== undefined && at <= until; at = nextDueAt(schedule, at)) {
    // Endless if it did not grow.
    if (slots.length > 0 && at <= (slots.at(-1) as number)) throw new Error(`${at} is not after ${slots.at(-1)}`)
    slots.push(at)
  }
  return slots
}

const asText = (times: readonly number[]) => times.map((time) => new Date(time).toISOString())

describe('nextDueAt in 30 odd zones', () => {
  it('knows their changes', () => {
    expect(zones).toHaveLength(30)
    for (const { name, changes } of zones) {
      if (!['UTC', 'Asia/Kathmandu'].includes(name)) expect(changes.length, name).toBeGreaterThan(0)
    }
  })

  it('finds the slots that looking at every minute finds', () => {
    fc.assert(
      fc.property(cases, ({ zone, known, from, until }) => {
        const expected = walkCalendar(known, zone, from, until)
        expect(asText(slotsByNextDueAt(known, zone, from, until)), known.expression).toEqual(asText(expected))
      }),
      { seed: 11, numRuns: 1_000 },
    )
  })

  it('gives from any instant the slot that comes next, however the clocks change', () => {
    fc.assert(
      fc.property(cases, fc.array(fc.nat(), { minLength: 1, maxLength: 5 }), (window, instants) => {
        const { zone, known, from, until } = window
        const slots = walkCalendar(known, zone, from, until)
        for (const instant of instants) {
          const after = from + (instant % Math.max(1, until - from))
          const next = nextDueAt(scheduleOf(known, zone), after) as number
          expect(next).toBeGreaterThan(after)
          expect(next > until ? undefined : next).toBe(slots.find((slot) => slot > after))
        }
      }),
      { seed: 12, numRuns: 500 },
    )
  })
})

describe('latestDueSlot in 30 odd zones', () => {
  it('is the last slot that looking at every minute finds, and counts those before it', () => {
    fc.assert(
      fc.property(cases, fc.double({ min: 0, max: 1, noNaN: true }), ({ zone, known, from, until }, part) => {
        const slots = walkCalendar(known, zone, from, until)
        const [first] = slots
        if (first === undefined) return
        const now = Math.floor(first + part * (until - first))
        const due = slots.filter((slot) => slot <= now)
        const latest = latestDueSlot(scheduleOf(known, zone), 'w', first, now)
        expect([latest.dueAt, latest.missedSlots]).toEqual([due.at(-1), due.length - 1])
        if (slots.length > due.length) expect(latest.nextDueAt).toBe(slots[due.length])
      }),
      { seed: 13, numRuns: 500 },
    )
  })
})

describe('a rare pattern', () => {
  // A search that tries every minute of the years between would take minutes.
  it.each([
    ['0 0 29 2 *', '2028-02-29T00:00', '2032-02-29T00:00'],
    ['59 23 31 12 *', '2026-12-31T23:59', '2027-12-31T23:59'],
    ['30 2 29 2 *', '2028-02-29T02:30', '2032-02-29T02:30'],
    ['0 12 * 2 MON#5', '2044-02-29T12:00', '2072-02-29T12:00'],
    ['0 0 L 2 *', '2026-02-28T00:00', '2027-02-28T00:00'],
    ['15 30 12 29 2 *', '2028-02-29T12:30', '2032-02-29T12:30'],
  ])('%s is found at once, from any month', (expression, first, second) => {
    const schedule = cron(expression)
    const found = nextDueAt(schedule, Date.UTC(2026, 0, 1)) as number
    expect(asText([found])[0]?.slice(0, 16)).toBe(first)
    expect(asText([nextDueAt(schedule, found) as number])[0]?.slice(0, 16)).toBe(second)
    for (let month = 0; month < 480; month++) {
      const after = Date.UTC(2026, month, 1)
      expect(nextDueAt(schedule, after) as number).toBeGreaterThan(after)
    }
  })
})
