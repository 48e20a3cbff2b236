import { Cron } from 'croner'
import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { latestDueSlot } from './due-slot.ts'
import { type Schedule, cron, every, nextDueAt } from './schedule.ts'

const START = Date.UTC(2026, 0, 1)

/** Walks slot by slot: slow, and beyond doubt. */
function walk(schedule: Schedule, firstDueAt: number, now: number) {
  let dueAt = firstDueAt
  let missedSlots = 0
  for (;;) {
    const next = nextDueAt(schedule, dueAt, 'w')
    if (next === undefined || next > now) return { dueAt, nextDueAt: next, missedSlots }
    dueAt = next
    missedSlots++
  }
}

describe('latestDueSlot', () => {
  it('is the slot itself when none has passed since', () => {
    expect(latestDueSlot(every('1m', { offset: 0 }), 'w', START, START)).toEqual({
      dueAt: START,
      nextDueAt: START + 60_000,
      missedSlots: 0,
    })
    expect(latestDueSlot(cron('@hourly'), 'w', START, START + 3_599_999)).toEqual({
      dueAt: START,
      nextDueAt: START + 3_600_000,
      missedSlots: 0,
    })
  })

  it('is the slot itself when the clock is before it', () => {
    expect(latestDueSlot(every('1m', { offset: 0 }), 'w', START, START - 500_000).missedSlots).toBe(0)
    expect(latestDueSlot(every('1m', { offset: 0 }), 'w', START, START - 500_000).dueAt).toBe(START)
    expect(latestDueSlot(cron('* * * * *'), 'w', START, START - 500_000).dueAt).toBe(START)
  })

  it('counts the passed slots of an interval exactly, a year of milliseconds too', () => {
    const year = 365 * 86_400_000
    expect(latestDueSlot(every(1, { offset: 0 }), 'w', START, START + year)).toEqual({
      dueAt: START + year,
      nextDueAt: START + year + 1,
      missedSlots: year,
    })
  })

  it('agrees with a walk, for intervals', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 100_000 }),
        fc.integer({ min: 0, max: 10_000_000 }),
        (periodMs, sleepMs) => {
          const schedule = every(periodMs)
          const first = nextDueAt(schedule, START, 'w') as number
          const now = first + (sleepMs % (periodMs * 500))
          expect(latestDueSlot(schedule, 'w', first, now)).toEqual(walk(schedule, first, now))
        },
      ),
      { seed: 4, numRuns: 200 },
    )
  })

  it('agrees with a walk, for cron, up to 1,000 slots in number too', () => {
    const schedules = fc.constantFrom(
      cron('*/5 * * * *'),
      cron('30 2 * * *', { timeZone: 'Europe/Berlin' }),
      cron('0 9-17 * * MON-FRI'),
      cron('*/20 2 * * *', { timeZone: 'America/Santiago' }),
    )
    fc.assert(
      fc.property(schedules, fc.integer({ min: 0, max: 3 * 86_400_000 }), (schedule, sleepMs) => {
        const first = nextDueAt(schedule, Date.UTC(2026, 2, 27), 'w') as number
        expect(latestDueSlot(schedule, 'w', first, first + sleepMs)).toEqual(walk(schedule, first, first + sleepMs))
      }),
      { seed: 5, numRuns: 60 },
    )
  })

  it('finds the same slot as a walk beyond 1,000, and says 1,000', () => {
    const schedules = fc.constantFrom(
      cron('* * * * *'),
      cron('*/10 8-17 * * MON-FRI', { timeZone: 'Europe/Berlin' }),
      cron('*/2 2,3 * * *', { timeZone: 'Australia/Lord_Howe' }),
      cron('0 0 1 * *'),
    )
    fc.assert(
      fc.property(schedules, fc.integer({ min: 0, max: 86_400_000 }), (schedule, extraMs) => {
        const first = nextDueAt(schedule, Date.UTC(2026, 2, 20), 'w') as number
        const now = (thousandth(schedule, first) as number) + extraMs
        const expected = walk(schedule, first, now)
        expect(latestDueSlot(schedule, 'w', first, now)).toEqual({ ...expected, missedSlots: 1_000 })
      }),
      { seed: 6, numRuns: 12 },
    )
  })

  it('counts 999 and 1,000 passed slots of a cron exactly', () => {
    const schedule = cron('* * * * *')
    for (const passed of [999, 1_000]) {
      expect(latestDueSlot(schedule, 'w', START, START + passed * 60_000)).toEqual({
        dueAt: START + passed * 60_000,
        nextDueAt: START + (passed + 1) * 60_000,
        missedSlots: passed,
      })
    }
  })

  it('finds its slot after a month asleep with a cron of seconds without a walk of 2,592,000 steps', () => {
    const month = 30 * 86_400_000
    expect(latestDueSlot(cron('* * * * * *'), 'w', START, START + month + 400)).toEqual({
      dueAt: START + month,
      nextDueAt: START + month + 1_000,
      missedSlots: 1_000,
    })
    // A walk takes two minutes, far more than the time limit of a test.
  })

  it('walks a cron once for all the workers that have it', () => {
    using nextRun = vi.spyOn(Cron.prototype, 'nextRun')
    const now = START + 86_400_000 + 1
    const schedules = [cron('* * * * *'), cron('*/5 * * * *'), cron('*/5 * * * *', { timeZone: 'Europe/Berlin' })]
    const decide = (worker: number) => schedules.map((each) => latestDueSlot(each, `w${worker}`, START, now + worker))
    const first = decide(0)
    const walked = nextRun.mock.calls.length
    for (let worker = 1; worker < 20; worker++) expect(decide(worker)).toEqual(first)
    expect(first.map(({ missedSlots }) => missedSlots)).toEqual([1_000, 288, 288])
    expect(nextRun).toHaveBeenCalledTimes(walked)
  })

  it('agrees with a walk after another one of the same cron', () => {
    const minutely = cron('* * * * *')
    const late = fc.tuple(fc.integer({ min: 0, max: 2 }), fc.integer({ min: 0, max: 200_000 }))
    fc.assert(
      fc.property(fc.array(late, { minLength: 2 }), (calls) => {
        for (const [minute, lateMs] of calls) {
          const first = START + minute * 60_000
          expect(latestDueSlot(minutely, 'w', first, first + lateMs)).toEqual(walk(minutely, first, first + lateMs))
        }
      }),
      { seed: 7, numRuns: 100 },
    )
  })

  it('finds the last slot there is', () => {
    const schedule = cron('0 0 1 1 *')
    const last = Date.UTC(2999, 0, 1)
    expect(latestDueSlot(schedule, 'w', Date.UTC(2996, 0, 1), last + 1)).toEqual({
      dueAt: last,
      nextDueAt: undefined,
      missedSlots: 3,
    })
  })
})

/** The slot that is 1,000 after the first. */
function thousandth(schedule: Schedule, first: number): number | undefined {
  let at: number | undefined = first
  for (let index = 0; index < 1_000 && at !== undefined; index++) at = nextDueAt(schedule, at, 'w')
  return at
}
