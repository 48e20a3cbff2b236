import { Cron } from 'croner'
import { midnightGaps } from './midnight-gaps.ts'
import { isPlainCron } from './plain-cron.ts'

/**
 * The cron calculator: the only file that knows croner. Vixie daylight-saving rules: a fixed time in the spring gap
 * runs once right after it, in the autumn overlap once, also one of a list or range (`30 2,14 * * *`); an
 * interval-like pattern, with a `*` or a step, keeps its rhythm (`fixedTimeRule` in croner's README; man 8 cron of Debian).
 */
export function nextCronTime(expression: string, timeZone: string, afterMs: number): number | undefined {
  if (!Number.isFinite(afterMs) || afterMs >= LATEST_MS || afterMs < EARLIEST_MS) return undefined
  const key = `${timeZone} ${expression}`
  const known = latestGaps.get(key)
  if (known && afterMs >= known.afterMs && afterMs < known.nextMs) return known.nextMs
  // Croner works in whole seconds: the slot after 12:00:00.500 is looked for from 12:00:00.
  const cron = known ? keptParsed(key, expression, timeZone) : parse(expression, timeZone)
  const foundMs = cron.nextRun(new Date(afterMs))?.getTime()
  if (foundMs === undefined || foundMs <= afterMs) return undefined
  const nextMs = lostAtMidnight(expression, timeZone, afterMs, foundMs) ?? foundMs
  if (known || latestGaps.size < GAPS_KEPT) latestGaps.set(key, { afterMs, nextMs })
  return nextMs
}

/**
 * The gap between slots that each expression was last asked about: until its end the answer is the same. So `add` and
 * `start` parse an expression once, and 10,000 workers with one expression reckon each slot once (28 µs each).
 */
const GAPS_KEPT = 20_000
const latestGaps = new Map<string, { readonly afterMs: number; readonly nextMs: number }>()

/**
 * A fixed time, without `*`, `?` or step in seconds, minutes and hours, that has an hour from 20 on: what the end of a day can
 * lose. All others cost no search for gaps.
 */
const LATE_FIXED_TIME = /^(?:[\d,-]+ ){1,2}[\d,-]*2[0-3][\d,-]*(?: \S+){3}$/

/** The slot before `beforeMs` that croner passes by: of a fixed time in a gap that ends on the next day, and right after it. */
function lostAtMidnight(expression: string, timeZone: string, afterMs: number, beforeMs: number): number | undefined {
  if (timeZone === 'UTC' || !LATE_FIXED_TIME.test(expression)) return undefined
  return midnightGaps(timeZone, afterMs, beforeMs).find(({ lostFrom, lostUntil }) => {
    const lost = nextCronTime(expression, 'UTC', lostFrom - 1)
    return lost !== undefined && lost < lostUntil
  })?.at
}

/** Says why an expression can not be used, or nothing. */
export function findCronProblem(expression: string, timeZone: string): string | undefined {
  const fields = expression.split(' ')
  if (expression.startsWith('@')) {
    if (!NICKNAMES.has(expression.toLowerCase())) {
      return `"${expression}" is not a known nickname. Known are: ${[...NICKNAMES].join(' ')}.`
    }
  } else if (fields.length !== 5 && fields.length !== 6) {
    return `"${expression}" has ${fields.length} field${fields.length === 1 ? '' : 's'}; write 5 (minute hour day month weekday) or 6 (second first).`
  }
  if (!isKnownZone(timeZone)) {
    return `the time zone "${timeZone}" is not known. Use an IANA name such as 'UTC' or 'Europe/Berlin'.`
  }
  if (/^[+-]/.test(timeZone)) {
    return `the time zone "${timeZone}" is an offset. Use an IANA name such as 'UTC' or 'Europe/Berlin'.`
  }
  if (isPlainCron(fields)) return undefined
  try {
    if (nextCronTime(expression, timeZone, Date.now()) === undefined) {
      return `"${expression}" never fires: no such date exists.`
    }
  } catch (error) {
    return `"${expression}" can not be read: ${error instanceof Error ? error.message.replace(/^Cron\w+: /, '') : String(error)}`
  }
  return undefined
}

/** Making a format takes 40 µs, the first of a process 15 ms, and workers share a few zones. */
const ZONES_KEPT = 1_000
const knownZones = new Set(['UTC'])

function isKnownZone(timeZone: string): boolean {
  if (knownZones.has(timeZone)) return true
  try {
    new Intl.DateTimeFormat('en', { timeZone })
  } catch {
    return false
  }
  if (knownZones.size < ZONES_KEPT) knownZones.add(timeZone)
  return true
}

const NICKNAMES = new Set(['@yearly', '@annually', '@monthly', '@weekly', '@daily', '@midnight', '@hourly'])

/** Years 1 to 2999: croner looks no further than the year 3000. */
const EARLIEST_MS = Date.UTC(2000, 0, 1) - 1_999 * 365.2425 * 86_400_000
const LATEST_MS = Date.UTC(3000, 0, 1)

/**
 * A parsed expression holds about 83 KB, so only the last few stay, and only those that are asked about again: to hold each
 * while thousands are added makes adding three times as slow, by garbage that has grown old. Parsing one takes about 20 µs.
 */
const PARSED_KEPT = 64
const recentlyParsed = new Map<string, Cron>()

function keptParsed(key: string, expression: string, timeZone: string): Cron {
  const cron = recentlyParsed.get(key) ?? parse(expression, timeZone)
  recentlyParsed.delete(key)
  recentlyParsed.set(key, cron)
  if (recentlyParsed.size > PARSED_KEPT) {
    for (const oldest of recentlyParsed.keys()) {
      recentlyParsed.delete(oldest)
      break
    }
  }
  return cron
}

function parse(expression: string, timeZone: string): Cron {
  return new Cron(expression, {
    // The same slots, reckoned three times as fast.
    ...(timeZone === 'UTC' ? { utcOffset: 0 } : { timezone: timeZone }),
    paused: true,
    mode: '5-or-6-parts',
    fixedTimeRule: 'no-wildcard',
  })
}
