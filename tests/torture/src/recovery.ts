import { type TimelySlot, disturbing, firstAfter, joined } from './allowances.ts'
import type { History, Span } from './history.ts'

/** A time in which faults were on, one after the other, and how long it took after the last of them. */
export interface Recovery extends Span {
  /** From the end of the last fault until each worker had had a slot decided in time again. */
  readonly tookMs: number
  /** The worker that was the last one. */
  readonly slowest: string
}

/** The slots of a worker that were in time, in the order of time; one that is not owed is. */
export interface TimelySlots {
  readonly worker: string
  readonly timely: readonly TimelySlot[]
}

/**
 * How long everything took to be on time again, each time that the faults paused for so long.
 */
export function recoveriesOf(
  { faults, endMs }: Pick<History, 'faults' | 'endMs'>,
  timely: readonly TimelySlots[],
): Recovery[] {
  const recoveries: Recovery[] = []
  const spans = joined(disturbing(faults))
  let from: number | undefined
  for (const [index, span] of spans.entries()) {
    from ??= span.from
    const recovered = timely.map((one) => ({ worker: one.worker, at: firstAfter(one.timely, span.to)?.at ?? endMs }))
    const last = recovered.toSorted((one, other) => other.at - one.at)[0]
    const next = spans[index + 1]
    // The next fault came first: it goes on.
    if (!last || (next && next.from <= last.at)) continue
    recoveries.push({ from, to: span.to, tookMs: last.at - span.to, slowest: last.worker })
    from = undefined
  }
  return recoveries
}
