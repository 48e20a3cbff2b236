import { type Check, findProblem, isAnything, isText, show } from './checks.ts'
import { findCronProblem, nextCronTime } from './cron.ts'
import { MAX_DURATION_MS, parseDuration } from './duration.ts'
import { InvalidOptionsError, InvalidScheduleError } from './errors.ts'
import { stableHash } from './stable-hash.ts'

/** What slots there are. Frozen plain data that is the same as JSON. */
export type Schedule = IntervalSchedule | CronSchedule

/** Slots at `k * periodMs + offsetMs` in epoch time. Without `offsetMs` it is a hash of the worker's name. */
export interface IntervalSchedule {
  readonly kind: 'every'
  readonly periodMs: number
  readonly offsetMs?: number
}

/** Slots by a cron expression, read in an IANA time zone. */
export interface CronSchedule {
  readonly kind: 'cron'
  readonly expression: string
  readonly timeZone: string
}

/**
 * Slots at a fixed rate: `every('10m')`, `every(600_000)`. A number is milliseconds; a string has a unit
 * (`ms s m h d`). The slots are multiples of the period in epoch time, moved by `offset` (default: a hash of the
 * worker's name), so that they are the same on every instance and after every restart. The first comes within one period.
 *
 * @throws InvalidScheduleError for a period that is not a whole number of ms from 1 to 3,650 days, or an offset that is
 * negative or not below the period. (A manager may ask for more: BullMQ for 1 s.)
 */
export function every(
  period: number | string,
  options: { readonly offset?: number | string | undefined } = {},
): IntervalSchedule {
  const problem = findProblem(options, { offset: isAnything })
  if (problem !== undefined) throw new InvalidScheduleError(`every(${show(period)}): ${problem}`)
  const periodMs = readDuration('every: the period', period)
  if (options.offset === undefined) return checkSchedule({ kind: 'every', periodMs }, 'every') as IntervalSchedule
  const offsetMs = readDuration('every: the offset', options.offset)
  return checkSchedule({ kind: 'every', periodMs, offsetMs }, 'every') as IntervalSchedule
}

/**
 * Slots by a cron expression of five fields, or six with seconds first; names, lists, ranges, steps, `L W #` and
 * nicknames such as `@daily` (not `@reboot`). `timeZone` is an IANA name, default `'UTC'`, never the host's.
 *
 * @throws InvalidScheduleError for an expression that can not be read or never fires, or an unknown zone.
 */
export function cron(expression: string, options: { readonly timeZone?: string | undefined } = {}): CronSchedule {
  const problem = findProblem(options, cronOptionChecks)
  if (problem !== undefined) throw new InvalidScheduleError(`cron(${show(expression)}): ${problem}`)
  return checkCron(expression, options.timeZone ?? 'UTC', 'cron')
}

/**
 * The first slot after `afterMs` (ms since the epoch), or `undefined` when there is none (for a cron from the year 3000 on).
 * Pure; always strictly greater than `afterMs`. An interval without `offsetMs` needs `workerName`.
 *
 * @throws InvalidScheduleError for what is no schedule, or an interval whose worker is not named; InvalidOptionsError for an
 * `afterMs` that is no number, such as a `Date`.
 */
export function nextDueAt(schedule: Schedule, afterMs: number, workerName?: string): number | undefined {
  if (typeof afterMs !== 'number') {
    throw new InvalidOptionsError(
      `nextDueAt: afterMs must be a number of ms since the epoch, got ${show(afterMs)}. Of a Date pass getTime().`,
    )
  }
  if (!looksLikeSchedule(schedule)) checkSchedule(schedule, 'nextDueAt')
  if (schedule.kind === 'cron') return nextCronTime(schedule.expression, schedule.timeZone, afterMs)
  const { periodMs } = schedule
  const offsetMs = intervalOffset(schedule, workerName)
  const next = (Math.floor((afterMs - offsetMs) / periodMs) + 1) * periodMs + offsetMs
  return next > afterMs && next <= MAX_DATE_MS ? next : undefined
}

/** As much of a check as takes no time, since managers ask for slot after slot. What does not look so fails `checkSchedule`. */
function looksLikeSchedule(schedule: Schedule): boolean {
  if (schedule?.kind === 'cron') return Boolean(schedule.expression && schedule.timeZone)
  return schedule?.kind === 'every' && schedule.periodMs > 0
}

/**
 * How far the slots of an interval are moved, in ms: `offsetMs`, or a hash of the worker's name below the period. From a
 * period of 100 ms on it is a multiple of 10 ms: however many workers share such a period, if it is a multiple of 10 ms
 * itself they wake the process 100 times a second at most (1,000 runs a second took 109 µs of CPU each in steps of 1 ms, and
 * 70 in steps of 10).
 */
export function intervalOffset(schedule: IntervalSchedule, workerName: string | undefined): number {
  if (schedule.offsetMs !== undefined) return schedule.offsetMs
  if (workerName === undefined) {
    throw new InvalidScheduleError(
      'nextDueAt: an interval without an offset has slots that depend on the worker. Pass workerName, or give every() an offset.',
    )
  }
  const stepMs = schedule.periodMs < 100 ? 1 : 10
  return (stableHash(workerName) % Math.floor(schedule.periodMs / stepMs)) * stepMs
}

/** Whether two schedules have the same slots for one worker. */
export function isSameSchedule(one: Schedule, other: Schedule): boolean {
  if (one.kind === 'cron') {
    return other.kind === 'cron' && one.expression === other.expression && one.timeZone === other.timeZone
  }
  return other.kind === 'every' && one.periodMs === other.periodMs && one.offsetMs === other.offsetMs
}

/**
 * Checks a schedule of unknown origin and gives it back as frozen plain data.
 * `subject` opens the error's message; `minPeriodMs` is the manager's smallest period.
 *
 * @throws InvalidScheduleError naming what is wrong and the fix.
 */
export function checkSchedule(schedule: unknown, subject: string, minPeriodMs = 1): Schedule {
  if (typeof schedule !== 'object' || schedule === null) {
    return refuse(subject, `expected a schedule, got ${show(schedule)}. Make one with every() or cron().`)
  }
  const given = schedule as Record<string, unknown>
  switch (read(given, 'kind')) {
    case 'every': {
      const known = knownIntervals.get(read(given, 'periodMs'))
      if (known === schedule && known.periodMs >= minPeriodMs) return known
      const unknownKey = findProblem(given, intervalChecks)
      if (unknownKey !== undefined) refuse(subject, unknownKey)
      const problem =
        findPeriodProblem(given.periodMs, minPeriodMs) ?? findOffsetProblem(given.offsetMs, given.periodMs as number)
      if (problem !== undefined) refuse(subject, problem)
      const periodMs = given.periodMs as number
      return given.offsetMs === undefined
        ? knownInterval(periodMs)
        : Object.freeze({
            kind: 'every',
            periodMs,
            offsetMs: given.offsetMs as number,
          })
    }
    case 'cron': {
      const known = knownCrons.get(read(given, 'timeZone'))?.get(read(given, 'expression'))
      if (known === schedule) return known
      const unknownKey = findProblem(given, cronChecks)
      if (unknownKey !== undefined) refuse(subject, unknownKey)
      return checkCron(given.expression, given.timeZone, subject)
    }
    default:
      return refuse(
        subject,
        `a schedule of kind ${show(read(given, 'kind'))} is not known. Make one with every() or cron().`,
      )
  }
}

function refuse(subject: string, problem: string): never {
  throw new InvalidScheduleError(`${subject}: ${problem}`)
}

/** Each is checked once; a second one that says the same is the same. */
function checkCron(givenExpression: unknown, givenZone: unknown, subject: string): CronSchedule {
  const expression = withSingleSpaces(checkText('expression', givenExpression, 'the cron expression', subject))
  const timeZone = checkText('timeZone', givenZone, 'the time zone', subject)
  const known = knownCrons.get(timeZone)?.get(expression)
  if (known) return known
  const problem = findCronProblem(expression, timeZone)
  if (problem !== undefined) refuse(subject, problem)
  const checked: CronSchedule = Object.freeze({ kind: 'cron', expression, timeZone })
  keepCron(checked)
  return checked
}

function checkText(key: keyof CronSchedule, value: unknown, what: string, subject: string): string {
  if (value === undefined) refuse(subject, `${what} must be a text, got undefined.`)
  const problem = isText(value)
  if (problem !== undefined) refuse(subject, `"${key}" ${problem}`)
  return value as string
}

function withSingleSpaces(expression: string): string {
  // Most are written so; another text of the same takes memory.
  return /^\s|\s$|\s\s|[^\S ]/.test(expression) ? expression.trim().replace(/\s+/g, ' ') : expression
}

function keepCron(schedule: CronSchedule): void {
  if (cronsKept++ === KNOWN_CRONS) {
    knownCrons.clear()
    cronsKept = 1
  }
  const ofZone = knownCrons.get(schedule.timeZone) ?? new Map<unknown, CronSchedule>()
  knownCrons.set(schedule.timeZone, ofZone.set(schedule.expression, schedule))
}

/**
 * By time zone and expression. What `cron()` makes is frozen, so `add` need not check it once more; nor is what a store says checked
 * each time it is read.
 */
const knownCrons = new Map<unknown, Map<unknown, CronSchedule>>()
let cronsKept = 0

/** So many at most. */
const KNOWN_CRONS = 20_000

/** A getter may throw; then the schedule is refused like any other bad one. */
function read(schedule: Record<string, unknown>, part: string): unknown {
  try {
    return schedule[part]
  } catch {
    return undefined
  }
}

/** Thousands of workers have few periods: one schedule for all of a period is checked once, and takes no memory for each. */
function knownInterval(periodMs: number): IntervalSchedule {
  const known = knownIntervals.get(periodMs)
  if (known) return known
  const interval = Object.freeze({ kind: 'every', periodMs } as const)
  if (knownIntervals.size >= KNOWN_INTERVALS) knownIntervals.clear()
  knownIntervals.set(periodMs, interval)
  return interval
}

/** By period. */
const knownIntervals = new Map<unknown, IntervalSchedule>()

/** So many at most. */
const KNOWN_INTERVALS = 1_000

const intervalChecks = { kind: isAnything, periodMs: isAnything, offsetMs: isAnything } satisfies Record<
  keyof IntervalSchedule,
  Check
>
const cronChecks = { kind: isAnything, expression: isAnything, timeZone: isAnything } satisfies Record<
  keyof CronSchedule,
  Check
>
const cronOptionChecks = { timeZone: isText }

/** The last time that a `Date` can hold, in ms since the epoch: no slot comes after it. */
export const MAX_DATE_MS = 8.64e15

function readDuration(subject: string, value: unknown): number {
  const ms = parseDuration(value)
  if (ms === undefined) {
    throw new InvalidScheduleError(
      `${subject} ${show(value)} can not be read. Write ms as a number, or a text with one of the units ms, s, m, h, d, such as '30s' or '1.5h'.`,
    )
  }
  return ms
}

function findPeriodProblem(periodMs: unknown, minPeriodMs: number): string | undefined {
  if (typeof periodMs !== 'number' || Number.isNaN(periodMs))
    return `the period must be a number of ms, got ${show(periodMs)}.`
  if (periodMs > MAX_DURATION_MS) return `the period of ${periodMs} ms is above the longest, 3,650 days.`
  if (periodMs < minPeriodMs) return `the period of ${periodMs} ms is below the smallest, ${minPeriodMs} ms.`
  if (!Number.isInteger(periodMs)) return `the period of ${periodMs} ms is not a whole number of ms.`
  return undefined
}

function findOffsetProblem(offsetMs: unknown, periodMs: number): string | undefined {
  if (offsetMs === undefined) return undefined
  if (typeof offsetMs !== 'number' || !Number.isInteger(offsetMs))
    return `the offset must be a whole number of ms, got ${show(offsetMs)}.`
  if (offsetMs < 0 || offsetMs >= periodMs)
    return `the offset of ${offsetMs} ms must be 0 or more and below the period of ${periodMs} ms.`
  return undefined
}
