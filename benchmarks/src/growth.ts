import { median } from './statistics.ts'

/**
 * How much a series has grown from its second quarter to its last, as a part of the former; 0.1 is a tenth. The first
 * quarter is left out: caches and records fill up.
 */
export function growthOf(values: readonly number[]): number {
  const quarter = Math.max(1, Math.floor(values.length / 4))
  const before = median(values.slice(quarter, 2 * quarter))
  const after = median(values.slice(-quarter))
  return (after - before) / before
}
