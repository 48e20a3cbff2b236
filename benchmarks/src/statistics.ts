/** The middle value; between the two middle ones where there are two. `NaN` for none. */
export function median(values: readonly number[]): number {
  return percentile(values, 50)
}

/** The value below which `percent` of the values lie, between the two nearest ones. `NaN` for none. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((one, other) => one - other)
  const position = ((sorted.length - 1) * percent) / 100
  const below = sorted[Math.floor(position)] ?? Number.NaN
  const above = sorted[Math.ceil(position)] ?? Number.NaN
  return below + (above - below) * (position - Math.floor(position))
}

/** What a figure came to over its runs. */
export interface Summary {
  readonly median: number
  readonly min: number
  readonly max: number
  readonly runs: number
}

/** Median and spread of the runs of one figure. */
export function summarize(values: readonly number[]): Summary {
  return { median: median(values), min: percentile(values, 0), max: percentile(values, 100), runs: values.length }
}
