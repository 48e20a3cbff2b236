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
  const offset = offsetMs ?? stableHash(worker) % periodMs
  const latest = (now: number) => now - ((((now - offset) % periodMs) + periodMs) % periodMs)
  return {
    schedule,
    shortestGapMs: periodMs,
    latest,
    next: (after) => latest(after) + periodMs,
    between: (first, last) => (last - first) / periodMs,
  }
}

/** A cron of the simulation: which local times are slots, said a second time and without an expression. */
export interface SimpleCron {
  readonly expression: string
  /** Whether the expression has a field of seconds. */
  readonly isOfSeconds?: boolean
  matches(time: LocalTime): boolean
}

export interface LocalTime {
  readonly second: number
  readonly minute: number
  readonly hour: number
  readonly day: number
  readonly weekday: number
}

/** Zones whose offset never changes; daylight saving has its own tests. */
export const ZONES = { UTC: 0, 'Asia/Kolkata': 330, 'America/Phoenix': -420, 'Asia/Kathmandu': 345 } as const

export const CRONS: readonly SimpleCron[] = [
  { expression: '* * * * *', matches: () => true },
  { expression: '*/7 * * * *', matches: ({ minute }) => minute % 7 === 0 },
  { expression: '15,45 * * * *', matches: ({ minute }) => minute === 15 || minute === 45 },
  { expression: '0 */6 * * *', matches: ({ minute, hour }) => minute === 0 && hour % 6 === 0 },
  { expression: '30 2 * * *', matches: ({ minute, hour }) => minute === 30 && hour === 2 },
  {
    expression: '0 9 * * 1-5',
    matches: ({ minute, hour, weekday }) => minute === 0 && hour === 9 && weekday >= 1 && weekday <= 5,
  },
  { expression: '0 0 1 * *', matches: ({ minute, hour, day }) => minute === 0 && hour === 0 && day === 1 },
  { expression: '*/20 * * * * *', isOfSeconds: true, matches: ({ second }) => second % 20 === 0 },
  {
    expression: '5,50 */2 * * * *',
    isOfSeconds: true,
    matches: ({ second, minute }) => (second === 5 || second === 50) && minute % 2 === 0,
  },
]

/** Slots of a cron, found by looking at each minute (or second). */
export function cronSlots({ expression, isOfSeconds, matches }: SimpleCron, timeZone: keyof typeof ZONES): Slots {
  const unitMs = isOfSeconds ? 1_000 : 60_000
  const offsetMs = ZONES[timeZone] * 60_000
  const isSlot = (time: number) => matches(localTime(time + offsetMs))
  // What was found last, since the same question comes often.
  let known = { after: Number.NaN, next: Number.NaN }
  const next = (after: number) => {
    if (after >= known.after && after < known.next) return known.next
    let time = (Math.floor(after / unitMs) + 1) * unitMs
    while (!isSlot(time)) time += unitMs
    known = { after, next: time }
    return time
  }
  return {
    schedule: cron(expression, { timeZone }),
    shortestGapMs: isOfSeconds ? 15_000 : 60_000,
    next,
    latest(now) {
      let time = Math.floor(now / unitMs) * unitMs
      while (!isSlot(time)) time -= unitMs
      return time
    },
    between(first, last) {
      let count = 0
      for (let time = first; time < last && count < 1_000; time = next(time)) count++
      return count
    },
  }
}

function localTime(time: number): LocalTime {
  const seconds = Math.floor(time / 1_000)
  return {
    second: seconds % 60,
    minute: Math.floor(seconds / 60) % 60,
    hour: Math.floor(seconds / 3_600) % 24,
    // Looked at only where the time of day fits.
    get day() {
      return new Date(time).getUTCDate()
    },
    weekday: (Math.floor(seconds / 86_400) + 4) % 7,
  }
}
