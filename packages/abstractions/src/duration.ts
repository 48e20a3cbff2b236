/** The longest duration that an option or a schedule takes: 3,650 days. */
export const MAX_DURATION_MS = 3_650 * 86_400_000

const UNIT_MS = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
} as const

/**
 * Reads a duration: a number is milliseconds, a string is a number with a unit (`'500ms'`, `'30s'`, `'10m'`, `'1.5h'`,
 * `'7d'`). Gives `undefined` for what can not be read.
 */
export function parseDuration(value: unknown): number | undefined {
  if (typeof value === 'number') return value
  if (typeof value !== 'string') return undefined
  const match = /^\s*(-?\d+(?:\.\d+)?)\s*(ms|s|m|h|d)\s*$/.exec(value)
  if (!match) return undefined
  const ms = Number(match[1]) * UNIT_MS[match[2] as keyof typeof UNIT_MS]
  // 1.1 s is 1,100 ms and not 1,100.0000000000002.
  return Number.isInteger(Number(ms.toFixed(6))) ? Math.round(ms) : ms
}
