import { type CronSchedule, cron } from '@background-workers/abstractions'
import fc from 'fast-check'

// A second calendar, slow and plain, to hold the first against: zones as Intl tells them, cron by looking at each minute.

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

/** What a zone's clocks show, as Intl tells it. */
export interface Zone {
  readonly name: string
  /** The instants at which the offset changes, oldest first. */
  readonly changes: readonly number[]
  /** Local time minus UTC, in ms. */
  offsetAt(time: number): number
  [fc.toStringMethod](): string
}

/** Reads a zone's changes from `from` up to `until`. Two changes within five days would be overlooked; there are none within six. */
export function readZone(name: string, from: number, until: number): Zone {
  const format = new Intl.DateTimeFormat('en', {
    timeZone: name,
    calendar: 'gregory',
    numberingSystem: 'latn',
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  })
  const offsetOf = (time: number) => {
    const part: Record<string, number> = {}
    for (const { type, value } of format.formatToParts(time)) part[type] = Number(value)
    const { year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0 } = part
    return Date.UTC(year, month - 1, day, hour, minute, second) - time
  }
  const changes: number[] = []
  const offsets = [offsetOf(from)]
  for (let time = from; time < until; time += 5 * DAY_MS) {
    const before = offsets.at(-1) as number
    const after = offsetOf(time + 5 * DAY_MS)
    if (after === before) continue
    let [low, high] = [time, time + 5 * DAY_MS]
    while (high - low > MINUTE_MS) {
      const middle = low + Math.floor((high - low) / 2 / MINUTE_MS) * MINUTE_MS
      if (offsetOf(middle) === before) low = middle
      else high = middle
    }
    changes.push(high)
    offsets.push(after)
  }
  return {
    name,
    changes,
    offsetAt: (time) => offsets[changes.filter((change) => change <= time).length] as number,
    [fc.toStringMethod]: () => name,
  }
}

/** One field of an expression: its text and the values it stands for. */
interface Field {
  readonly text: string
  readonly values: ReadonlySet<number>
  readonly isWild: boolean
}

/** A cron expression together with what it means. */
export interface KnownCron {
  readonly expression: string
  readonly second: Field
  readonly minute: Field
  readonly hour: Field
  readonly day: Field
  readonly month: Field
  readonly weekday: Field
  /** Vixie: none of the time fields has a `*` or a step. Such times are neither lost in a gap nor repeated in an overlap. */
  readonly isFixedTime: boolean
}

/** A cron in a zone, as the library takes it. */
export function scheduleOf({ expression }: KnownCron, { name }: Zone): CronSchedule {
  return cron(expression, { timeZone: name })
}

/** `least` and `most`: of the numbers that are written; a step goes from `min` to `max` in any case. */
function field(min: number, max: number, most = max, least = min): fc.Arbitrary<Field> {
  const number = fc.integer({ min: least, max: most })
  const known = (text: string, values: Iterable<number>, isWild = false) => ({ text, values: new Set(values), isWild })
  const range = (from: number, to: number, step = 1) =>
    Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, index) => from + index * step)
  return fc.oneof(
    number.map((value) => known(`${value}`, [value])),
    fc.uniqueArray(number, { minLength: 2, maxLength: 4 }).map((values) => known(values.join(','), values)),
    fc.tuple(number, number).map(([one, other]) => {
      const [from, to] = [Math.min(one, other), Math.max(one, other)]
      return known(`${from}-${to}`, range(from, to))
    }),
    fc.integer({ min: 2, max: Math.min(30, max) }).map((step) => known(`*/${step}`, range(min, max, step), true)),
  )
}

function anyOf(min: number, max: number): Field {
  return { text: '*', values: new Set(Array.from({ length: max - min + 1 }, (_, index) => min + index)), isWild: true }
}

/** One in so many times. (The `freq` of `fc.option` is that of nothing.) */
function rarely<T>(oneIn: number, arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
  return fc.oneof({ weight: oneIn - 1, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary })
}

/** Expressions of five and of six fields; hours near midnight, 2:00 and 3:00, where clocks change, come often. */
export const knownCrons: fc.Arbitrary<KnownCron> = fc
  .record({
    second: rarely(5, field(0, 59)),
    minute: fc.oneof({ weight: 4, arbitrary: field(0, 59) }, { weight: 1, arbitrary: fc.constant(anyOf(0, 59)) }),
    hour: fc.oneof(
      { weight: 3, arbitrary: field(0, 23, 3) },
      { weight: 1, arbitrary: field(0, 23, 23, 22) },
      { weight: 2, arbitrary: field(0, 23) },
      { weight: 1, arbitrary: fc.constant(anyOf(0, 23)) },
    ),
    day: rarely(6, field(1, 31)),
    weekday: rarely(6, field(0, 6)),
    month: rarely(12, field(1, 12)),
  })
  .map((given) => {
    const second = given.second ?? { text: '', values: new Set([0]), isWild: false }
    const { minute, hour } = given
    const day = given.day ?? anyOf(1, 31)
    const month = given.month ?? anyOf(1, 12)
    const weekday = given.weekday ?? anyOf(0, 6)
    const expression = [second, minute, hour, day, month, weekday]
      .map(({ text }) => text)
      .filter((text) => text !== '')
      .join(' ')
    const isFixedTime = !second.isWild && !minute.isWild && !hour.isWild
    return { expression, second, minute, hour, day, month, weekday, isFixedTime, [fc.toStringMethod]: () => expression }
  })

/** The end of a window from before a change of the clocks: a day and a half, or so much that there are not too many slots in it. */
export function endOfWindow({ second, minute }: KnownCron, from: number, beforeMs: number): number {
  const perHour = second.values.size * minute.values.size
  return Math.floor(from + Math.max(beforeMs / 20, Math.min(36 * HOUR_MS, (200 / perHour) * HOUR_MS)))
}

/** The slots after `from` and up to `until`: every minute is looked at. */
export function walkCalendar(known: KnownCron, zone: Zone, from: number, until: number): number[] {
  const slots = new Set<number>()
  // Starts earlier, so that a time that comes a second time within the window is known to have been there.
  const seenLocally = new Set<number>()
  const start = Math.floor((from - 4 * HOUR_MS) / MINUTE_MS) * MINUTE_MS
  let offset = zone.offsetAt(start)
  for (let time = start; time <= until; time += MINUTE_MS) {
    const before = offset
    if (zone.changes.includes(time)) offset = zone.offsetAt(time)
    for (let lost = time + before; known.isFixedTime && lost < time + offset; lost += MINUTE_MS) {
      if (matchesMinute(known, lost)) slots.add(time)
    }
    const local = time + offset
    if (!matchesMinute(known, local)) continue
    if (known.isFixedTime && seenLocally.has(local)) continue
    seenLocally.add(local)
    for (const second of known.second.values) slots.add(time + second * 1_000)
  }
  return [...slots].filter((slot) => slot > from && slot <= until).sort((one, other) => one - other)
}

function matchesMinute({ minute, hour, day, month, weekday }: KnownCron, local: number): boolean {
  const minutes = Math.floor(local / MINUTE_MS)
  if (!minute.values.has(minutes % 60) || !hour.values.has(Math.floor(minutes / 60) % 24)) return false
  const date = new Date(local)
  if (!month.values.has(date.getUTCMonth() + 1)) return false
  const isDay = day.values.has(date.getUTCDate())
  const isWeekday = weekday.values.has(date.getUTCDay())
  // Vixie: with a day and a weekday either of them will do.
  return day.text === '*' || weekday.text === '*' ? isDay && isWeekday : isDay || isWeekday
}
