/** What the child process of one sample is told. */
export interface SampleSpec {
  readonly measure: string
  readonly contestant: string
  /** How much: workers, seconds. */
  readonly params: Params
  /** Of a server that only this sample uses; for measures that need one. */
  readonly redisUrl?: string
  readonly isPreparation?: boolean
}

/** Sizes of a measure, by name. */
export type Params = Readonly<Record<string, number>>

/** What one sample gives: a number for each figure of the measure. */
export type Figures = Readonly<Record<string, number>>

/** One number that a measure gives for each contestant. */
export interface Figure {
  readonly key: string
  readonly title: string
  readonly unit: string
}

/** What one of ours is to reach. */
export interface Goal {
  readonly contestant: string
  readonly figure: string
  /** The best of these times `atMost`; without them `atMost` is a figure by itself. */
  readonly beside?: readonly string[]
  /** A constant on top of what stands beside. */
  readonly plus?: number
  readonly atMost?: number
  readonly atLeast?: number
  /** The median is to lie within the spread of what stands beside: no greater than the greatest of its samples. */
  readonly isWithinSpread?: boolean
}

/** Something that contestants are measured by. */
export interface Measure {
  readonly name: string
  /** What is measured, in a sentence. */
  readonly title: string
  readonly figures: readonly Figure[]
  readonly contestants: readonly string[]
  readonly goals: readonly Goal[]
  readonly needsRedis?: boolean
  readonly full: Params
  /** None: too long to be quick. */
  readonly quick?: Params
  /** What must be there before, made in a process of its own. */
  readonly prepare?: (spec: SampleSpec) => Promise<void>
  /** @throws when what was to happen did not: such a result does not count */
  readonly sample: (spec: SampleSpec) => Promise<Figures>
}

/** The size of that name. */
export function sizeOf({ params, measure }: SampleSpec, name: string): number {
  const size = params[name]
  if (size === undefined) throw new Error(`${measure}: the size "${name}" is not given.`)
  return size
}
