import { type Schedule, cron, every } from '@background-workers/abstractions'
import { stableHash } from '@background-workers/abstractions/for-managers'

/** The slots of a schedule as the model knows them. It shares no calculation with the library. */
export interface Slots {
  readonly schedule: Schedule
  /** No two slots are closer than this. */
  readonly shortestGapMs: number
  /** The first slot after `after`. */
  next(after: number): number
  /** The last slot at or before `now`. */
  latest(now: number): number
  /** How many slots there are from the slot `first` up to the slot `last`, without it; a cron counts up to 1,000. */
  between(first: number, last: number): number
}

/** Slots at `k * periodMs + offsetMs`, found by the rest of a division. */
export function intervalSlots(worker: string, periodMs: number, offsetMs?: number): Slots {
  const schedule = every(periodMs, offsetMs === undefined ? {} : { offset: offsetMs })
  // By itself a worker is moved by tens of ms, unless its period is short.
  const grain = periodMs >= 100 ? 10 : 1
  const offset = offsetMs ?? grain * (stableHash(worker) % Math.trunc(periodMs / grain))
  const latest = (now: number) => now - ((((now - offset) % periodMs) + periodMs) % periodMs)
  return {
    schedule,
    shortestGapMs: periodMs,
    latest,
    next: (after) => latest(after) + periodMs,
    between: (first, last) => (last - first) / periodMs,
  }
}

/** A cron of the simulation: its local times, said a second time and without an expression. */
export interface SimpleCron {
  readonly expression: string
  /** No two slots are closer than this. */
  readonly shortestGapMs: number
  readonly hours: readonly number[]
  readonly minutes: readonly number[]
  /** Only the first, unless the expression has a field for them. */
  readonly seconds: readonly number[]
  /** Whether a day, given by its midnight read as UTC, has slots. */
  readonly isOnDay?: (midnight: Date) => boolean
}

/** Zones whose offset never changes; daylight saving has its own tests. */
export const ZONES = { UTC: 0, 'Asia/Kolkata': 330, 'America/Phoenix': -420, 'Asia/Kathmandu': 345 } as const

/** A second in ms. */
export const SECOND_MS = 1_000
/** A minute in ms. */
export const MINUTE_MS = 60 * SECOND_MS
/** An hour in ms. */
export const HOUR_MS = 60 * MINUTE_MS
/** A day in ms. */
export const DAY_MS = 24 * HOUR_MS

const [anyHour, anyMinute, atZero] = [upTo(24), upTo(60), [0]]

/** The crons that a script chooses from. */
export const CRONS: readonly SimpleCron[] = [
  { expression: '* * * * *', shortestGapMs: MINUTE_MS, hours: anyHour, minutes: anyMinute, seconds: atZero },
  {
    expression: '*/7 * * * *',
    shortestGapMs: 4 * MINUTE_MS,
    hours: anyHour,
    minutes: [0, 7, 14, 21, 28, 35, 42, 49, 56],
    seconds: atZero,
  },
  { expression: '15,45 * * * *', shortestGapMs: HOUR_MS / 2, hours: anyHour, minutes: [15, 45], seconds: atZero },
  { expression: '0 */6 * * *', shortestGapMs: 6 * HOUR_MS, hours: [0, 6, 12, 18], minutes: atZero, seconds: atZero },
  { expression: '30 2 * * *', shortestGapMs: DAY_MS, hours: [2], minutes: [30], seconds: atZero },
  {
    expression: '0 9 * * 1-5',
    shortestGapMs: DAY_MS,
    hours: [9],
    minutes: atZero,
    seconds: atZero,
    isOnDay: (midnight) => midnight.getUTCDay() >= 1 && midnight.getUTCDay() <= 5,
  },
  {
    expression: '0 0 1 * *',
    shortestGapMs: 28 * DAY_MS,
    hours: atZero,
    minutes: atZero,
    seconds: atZero,
    isOnDay: (midnight) => midnight.getUTCDate() === 1,
  },
  {
    expression: '*/20 * * * * *',
    shortestGapMs: 20 * SECOND_MS,
    hours: anyHour,
    minutes: anyMinute,
    seconds: [0, 20, 40],
  },
  {
    expression: '5,50 */2 * * * *',
    shortestGapMs: 45 * SECOND_MS,
    hours: anyHour,
    minutes: upTo(60).filter((minute) => minute % 2 === 0),
    seconds: [5, 50],
  },
]

/** Slots of a cron. Each is made once, as reading an expression takes long. */
export function cronSlots(simple: SimpleCron, timeZone: keyof typeof ZONES): Slots {
  const key = `${timeZone} ${simple.expression}`
  const slots = madeCrons.get(key) ?? createCronSlots(simple, timeZone)
  madeCrons.set(key, slots)
  return slots
}

const madeCrons = new Map<string, Slots>()

/** They are found by looking at the local times day by day. */
function createCronSlots(simple: SimpleCron, timeZone: keyof typeof ZONES): Slots {
  const offset = ZONES[timeZone] * MINUTE_MS
  // What was found last, since the same question comes often.
  let known = { after: Number.NaN, next: Number.NaN }
  const next = (after: number) => {
    if (after >= known.after && after < known.next) return known.next
    known = { after, next: firstAfter(simple, after + offset) - offset }
    return known.next
  }
  return {
    schedule: cron(simple.expression, { timeZone }),
    shortestGapMs: simple.shortestGapMs,
    next,
    latest: (now) => lastUntil(simple, now + offset) - offset,
    between(first, last) {
      let count = 0
      for (let time = first; time < last && count < 1_000; time = next(time)) count++
      return count
    },
  }
}

function firstAfter({ hours, minutes, seconds, isOnDay }: SimpleCron, after: number): number {
  for (let day = Math.floor(after / DAY_MS) * DAY_MS; ; day += DAY_MS) {
    if (isOnDay && !isOnDay(new Date(day))) continue
    for (const hour of hours) {
      if (day + (hour + 1) * HOUR_MS <= after) continue
      for (const minute of minutes) {
        for (const second of seconds) {
          const time = day + hour * HOUR_MS + minute * MINUTE_MS + second * SECOND_MS
          if (time > after) return time
        }
      }
    }
  }
}

function lastUntil({ hours, minutes, seconds, isOnDay }: SimpleCron, now: number): number {
  for (let day = Math.floor(now / DAY_MS) * DAY_MS; ; day -= DAY_MS) {
    if (isOnDay && !isOnDay(new Date(day))) continue
    for (const hour of hours.toReversed()) {
      if (day + hour * HOUR_MS > now) continue
      for (const minute of minutes.toReversed()) {
        for (const second of seconds.toReversed()) {
          const time = day + hour * HOUR_MS + minute * MINUTE_MS + second * SECOND_MS
          if (time <= now) return time
        }
      }
    }
  }
}

function upTo(count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => index)
}
