import type { Schedule } from '@background-workers/abstractions'
import cronstrue from 'cronstrue'

/** A schedule as a page shows it. */
export interface ScheduleText {
  /** In words, such as `every 10 minutes`; the expression itself where there are none for it. */
  readonly words: string
  /** As it is written: `10m`, or the cron expression. */
  readonly raw: string
  /** The zone that a cron is read in. */
  readonly timeZone?: string
}

/** Says a schedule in words. */
export function scheduleText(schedule: Schedule): ScheduleText {
  const raw = rawSchedule(schedule)
  if (schedule.kind === 'every') return { words: intervalWords(schedule.periodMs), raw }
  return { words: cronWords(schedule.expression), raw, timeZone: schedule.timeZone }
}

/** A schedule as it is written, without its zone: `10m`, or the cron expression. */
export function rawSchedule(schedule: Schedule): string {
  if (schedule.kind === 'cron') return schedule.expression
  const { periodMs, offsetMs } = schedule
  return offsetMs === undefined ? periodText(periodMs) : `${periodText(periodMs)} offset ${periodText(offsetMs)}`
}

/** A period as `every()` takes it. */
export function periodText(periodMs: number): string {
  const { unit, count } = largestUnit(periodMs)
  return `${count}${unit.short}`
}

const UNITS = [
  { short: 'd', word: 'day', ms: 86_400_000 },
  { short: 'h', word: 'hour', ms: 3_600_000 },
  { short: 'm', word: 'minute', ms: 60_000 },
  { short: 's', word: 'second', ms: 1_000 },
  { short: 'ms', word: 'millisecond', ms: 1 },
] as const

/** The largest unit of which a period is a whole number. */
function largestUnit(periodMs: number) {
  const unit = UNITS.find(({ ms }) => periodMs % ms === 0) ?? UNITS[4]
  return { unit, count: periodMs / unit.ms }
}

function intervalWords(periodMs: number): string {
  const { unit, count } = largestUnit(periodMs)
  return count === 1 ? `every ${unit.word}` : `every ${count.toLocaleString('en')} ${unit.word}s`
}

/** What cronstrue says of the names, lists, ranges, steps, `L W #` and nicknames that our cron has. */
function cronWords(expression: string): string {
  try {
    const words = cronstrue.toString(expression, {
      use24HourTimeFormat: true,
      throwExceptionOnParseError: true,
    })
    const withTime = words.replace(/^At (\d\d:\d\d(?::\d\d)?)$/, 'Every day at $1')
    return `${withTime.slice(0, 1).toLowerCase()}${withTime.slice(1)}`
  } catch {
    return expression
  }
}
