/** The least and the greatest number of each field, seconds first; of the days those that every month has. */
const BOUNDS = [
  [0, 59],
  [0, 59],
  [0, 23],
  [1, 28],
  [1, 12],
  [0, 6],
] as const

/** Any, a number, a range, or a step. */
const PART = /^(?:\*|(\d{1,2})(?:-(\d{1,2}))?|\*\/(\d{1,2}))$/

/**
 * Whether an expression of five or six fields is plain: made of `*`, `*` with a step, numbers, ranges and lists, all of
 * them within bounds, so that it is known to be right and to fire. Most are, and need not be parsed to find that out
 * (40 µs, and garbage of 83 KB each).
 */
export function isPlainCron(fields: readonly string[]): boolean {
  return fields.every((field, index) => {
    const position = BOUNDS.length - fields.length + index
    const known = knownPlain[position] as Set<string>
    if (known.has(field)) return true
    const isPlain = isPlainField(field, BOUNDS[position] as readonly [number, number])
    if (isPlain && known.size < FIELDS_KEPT) known.add(field)
    return isPlain
  })
}

/** Thousands of expressions are made of a few fields; to look at one takes 0.3 µs. */
const FIELDS_KEPT = 100
const knownPlain = BOUNDS.map(() => new Set<string>())

function isPlainField(field: string, [least, greatest]: readonly [number, number]): boolean {
  const isWithin = (text: string) => Number(text) >= least && Number(text) <= greatest
  return field.split(',').every((part) => {
    const [isPart, from, to, step] = PART.exec(part) ?? []
    if (isPart === undefined) return false
    if (step !== undefined) return Number(step) >= 1 && Number(step) <= greatest
    if (from === undefined) return true
    return isWithin(from) && (to === undefined || (isWithin(to) && Number(from) <= Number(to)))
  })
}
