/**
 * A change of a zone's clocks that loses the end of a day, such as Nuuk's from 23:00 to midnight. Times of the wall clock are ms
 * as if it were that of UTC.
 */
export interface MidnightGap {
  /** When the clocks are set ahead, in ms since the epoch. */
  readonly at: number
  /** The first time that the wall clock does not show. */
  readonly lostFrom: number
  /** What it shows instead. */
  readonly lostUntil: number
}

const DAY_MS = 86_400_000

/** No zone has two changes within it. */
const STEP_MS = 5 * DAY_MS

/** Before it no clock was set ahead for the summer, and `Date.UTC` reads small years otherwise. */
const FIRST_YEAR = 1900

/** The gaps of a zone after `afterMs` and before `beforeMs`, oldest first. */
export function midnightGaps(timeZone: string, afterMs: number, beforeMs: number): MidnightGap[] {
  const gaps: MidnightGap[] = []
  const lastYear = new Date(beforeMs).getUTCFullYear()
  for (let year = Math.max(FIRST_YEAR, new Date(afterMs).getUTCFullYear()); year <= lastYear; year++) {
    for (const gap of gapsOfYear(timeZone, year)) if (gap.at > afterMs && gap.at < beforeMs) gaps.push(gap)
  }
  return gaps
}

/** By zone and year: to look through one takes about 0.4 ms, and most have none. */
const YEARS_KEPT = 2_000
const knownYears = new Map<string, readonly MidnightGap[]>()

function gapsOfYear(timeZone: string, year: number): readonly MidnightGap[] {
  const key = `${timeZone} ${year}`
  const known = knownYears.get(key)
  if (known) return known
  const gaps = findGaps(timeZone, Date.UTC(year, 0), Date.UTC(year + 1, 0))
  if (knownYears.size >= YEARS_KEPT) knownYears.clear()
  knownYears.set(key, gaps)
  return gaps
}

function findGaps(timeZone: string, from: number, until: number): MidnightGap[] {
  const format = new Intl.DateTimeFormat('en', { timeZone, timeZoneName: 'longOffset' })
  const offsetAt = (time: number) => readOffset(format.format(time))
  const gaps: MidnightGap[] = []
  let offset = offsetAt(from)
  for (let start = from; start < until; start += STEP_MS) {
    const before = offset
    const end = Math.min(start + STEP_MS, until)
    offset = offsetAt(end)
    if (offset <= before) continue
    let [low, high] = [start, end]
    while (high - low > 1_000) {
      const middle = low + Math.floor((high - low) / 2_000) * 1_000
      if (offsetAt(middle) === before) low = middle
      else high = middle
    }
    const [lostFrom, lostUntil] = [high + before, high + offset]
    if (dayOf(lostFrom) < dayOf(lostUntil)) gaps.push({ at: high, lostFrom, lostUntil })
  }
  return gaps
}

/** In ms, of a text such as `3/28/2026, GMT-02:00`. */
function readOffset(text: string): number {
  const [, sign, hours = 0, minutes = 0, seconds = 0] = /GMT([+-])(\d\d):(\d\d)(?::(\d\d))?$/.exec(text) ?? []
  const ms = ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1_000
  return sign === '-' ? -ms : ms
}

function dayOf(wallTime: number): number {
  return Math.floor(wallTime / DAY_MS)
}
