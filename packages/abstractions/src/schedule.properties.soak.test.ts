import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { endOfWindow, knownCrons, readZone, scheduleOf, walkCalendar } from '../test/calendar.ts'
import { latestDueSlot } from './due-slot.ts'
import { nextDueAt } from './schedule.ts'

const HOUR_MS = 3_600_000
const FROM = Date.UTC(2020, 0, 1)
const UNTIL = Date.UTC(2041, 0, 1)
/** So many expressions are tried at each change of a zone. */
const PER_CHANGE = 4

describe('nextDueAt and latestDueSlot at every change of the clocks from 2020 to 2040', () => {
  it.each(Intl.supportedValuesOf('timeZone'))(
    'find in %s the slots that looking at every minute finds',
    (name) => {
      const zone = readZone(name, FROM, UNTIL)
      // A zone without changes is looked at once a year.
      const instants =
        zone.changes.length > 0 ? zone.changes : Array.from({ length: 21 }, (_, year) => Date.UTC(2020 + year, 5, 1))
      const nearChange = fc.tuple(
        fc.constantFrom(...instants.filter((instant) => instant < UNTIL - 100 * HOUR_MS)),
        knownCrons,
        fc.integer({ min: 1, max: 30 * HOUR_MS }),
      )
      fc.assert(
        fc.property(nearChange, ([change, known, before]) => {
          const from = change - before
          const until = endOfWindow(known, from, before)
          const slots = walkCalendar(known, zone, from, until)
          const schedule = scheduleOf(known, zone)
          let at = from
          for (const slot of slots) {
            expect(nextDueAt(schedule, at)).toBe(slot)
            at = slot
          }
          expect(nextDueAt(schedule, at) as number).toBeGreaterThan(until)
          if (slots[0] === undefined) return
          const latest = latestDueSlot(schedule, 'w', slots[0], until)
          expect([latest.dueAt, latest.missedSlots]).toEqual([at, Math.min(1_000, slots.length - 1)])
        }),
        { seed: 21, numRuns: PER_CHANGE * instants.length },
      )
    },
    600_000,
  )
})
