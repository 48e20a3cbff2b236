import type { Goal } from './measures/measure.ts'
import type { Result } from './sampling.ts'

/** How one of ours stands to its goal. */
export interface GoalResult {
  readonly goal: Goal
  /** What is to be reached, in words. */
  readonly text: string
  /** The value that the goal limits: a ratio, or a figure. `undefined` when one side has no correct result. */
  readonly value: number | undefined
  /** `undefined` also when a sample of either side does not count: it may be a slow one, and the rest would flatter. */
  readonly isReached: boolean | undefined
}

/** Judges medians of one measure. */
export function judgeGoal(goal: Goal, results: readonly Result[]): GoalResult {
  const resultOf = (contestant: string) => results.find((result) => result.contestant === contestant)
  const summaryOf = (contestant: string) => resultOf(contestant)?.figures[goal.figure]
  const medianOf = (contestant: string) => summaryOf(contestant)?.median
  const { beside, plus = 0, atMost, atLeast, isWithinSpread = false } = goal
  const own = medianOf(goal.contestant)
  const others = beside?.map(medianOf).filter((value) => value !== undefined)
  const best = others && (atLeast === undefined ? Math.min(...others) : Math.max(...others))
  const isKnown = own !== undefined && (others === undefined || others.length > 0)
  const value = isKnown ? (own - plus) / (best ?? 1) : undefined
  const isComplete = [goal.contestant, ...(beside ?? [])].every((name) => resultOf(name)?.incorrect.length === 0)
  return {
    goal,
    text: textOf(goal),
    value,
    isReached:
      value === undefined || !isComplete
        ? undefined
        : isWithinSpread
          ? (own as number) <= Math.max(...(beside ?? []).map((contestant) => summaryOf(contestant)?.max ?? -Infinity))
          : value <= (atMost ?? Infinity) && value >= (atLeast ?? -Infinity),
  }
}

function textOf({ beside, plus, atMost, atLeast, isWithinSpread }: Goal): string {
  if (isWithinSpread) return `within the spread of ${beside?.join(' / ')}`
  const bound = `${atMost === undefined ? 'at least' : 'at most'} ${show((atMost ?? atLeast) as number)}`
  if (!beside) return bound
  const others = beside.length > 1 ? `the best of ${beside.join(' / ')}` : beside[0]
  return `${bound} × ${others}${plus ? ` + ${plus}` : ''}`
}

/** A number as tables show it: three digits that count. */
export function show(value: number): string {
  if (!Number.isFinite(value)) return '–'
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2
  return value.toLocaleString('en', { maximumFractionDigits: digits })
}
