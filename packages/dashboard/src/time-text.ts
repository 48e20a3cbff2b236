const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1_000],
] as const

/** How long something took: `340 ms`, `1.2 s`, `12 s`, `3 min 5 s`, `2 h 10 min`. */
export function durationText(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`
  if (ms < 9_950) return `${(ms / 1_000).toFixed(1).replace(/\.0$/, '')} s`
  const index = UNITS.findIndex(([, unitMs]) => ms >= unitMs)
  const [unit, unitMs] = UNITS[index] ?? UNITS[3]
  const smaller = UNITS[index + 1]
  if (!smaller) return `${Math.round(ms / unitMs)} ${unit}`
  const rest = Math.floor((ms % unitMs) / smaller[1])
  return `${Math.floor(ms / unitMs)} ${unit}${rest > 0 ? ` ${rest} ${smaller[0]}` : ''}`
}

/**
 * How far a time is: `in 4 min`, `12 s ago`, `now`. Pages carry this very function to the browser, as text, so it uses
 * nothing from outside it.
 */
export function relativeText(timeMs: number, nowMs: number): string {
  const seconds = Math.round(Math.abs(timeMs - nowMs) / 1_000)
  if (seconds === 0) return 'now'
  let text = `${seconds} s`
  if (seconds >= 172_800) text = `${Math.round(seconds / 86_400)} d`
  else if (seconds >= 7_200) text = `${Math.round(seconds / 3_600)} h`
  else if (seconds >= 120) text = `${Math.round(seconds / 60)} min`
  return timeMs > nowMs ? `in ${text}` : `${text} ago`
}

/** A time to the second in UTC: `2026-03-29 01:00:00 UTC`. */
export function utcText(time: Date): string {
  return `${time.toISOString().slice(0, 19).replace('T', ' ')} UTC`
}

/** A time as the clocks of a zone show it, and that zone's offset at that time. */
export function zonedText(timeMs: number, timeZone: string): { readonly time: string; readonly offset: string } {
  const parts = Object.fromEntries(
    formatOf(timeZone)
      .formatToParts(timeMs)
      .map(({ type, value }) => [type, value]),
  )
  const { weekday, year, month, day, hour, minute, second, timeZoneName = '' } = parts
  return {
    time: `${weekday} ${year}-${month}-${day} ${hour}:${minute}:${second}`,
    offset: timeZoneName === 'GMT' ? '+00:00' : timeZoneName.replace('GMT', ''),
  }
}

/** To make one takes longer than to use it a hundred times. There are about 600 zones. */
const formats = new Map<string, Intl.DateTimeFormat>()

function formatOf(timeZone: string): Intl.DateTimeFormat {
  let format = formats.get(timeZone)
  if (!format) {
    format = new Intl.DateTimeFormat('en-GB', {
      timeZone,
      weekday: 'short',
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
      hourCycle: 'h23',
      timeZoneName: 'longOffset',
    })
    formats.set(timeZone, format)
  }
  return format
}
