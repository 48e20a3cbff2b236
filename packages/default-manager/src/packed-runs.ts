import type { RunRecord } from '@background-workers/abstractions'
import { type StartedRun, isSlotRun, slotRunId, startedRecord } from '@background-workers/abstractions/for-managers'

/** A record and its place in the order of the decisions. */
export interface Kept {
  readonly record: RunRecord
  readonly decision: number
}

/** What a packed run consists of, in this order. */
const WIDTH = 9

/** So many more than are kept pile up before the oldest are dropped, all at once. */
const PILE = 16

/** Whether a record of the run says nothing but numbers: a slot that ran and succeeded. */
export function isPackable({ plan, end }: StartedRun): boolean {
  return end?.outcome === 'succeeded' && isSlotRun(plan) && plan.by === undefined
}

/**
 * The last successful runs of slots of one worker, as numbers: 72 bytes each, which the garbage collector need not
 * look into. As records they would be 600 bytes, and most of what a run costs.
 */
export class PackedRuns {
  readonly #worker: string
  readonly #instanceId: string
  readonly #numbers: number[] = []

  constructor(worker: string, instanceId: string) {
    this.#worker = worker
    this.#instanceId = instanceId
  }

  /** The newest. */
  get last(): Kept | undefined {
    return this.#numbers.length > 0 ? this.#unpack(this.#numbers.length - WIDTH) : undefined
  }

  /** Takes a packable run. The newest always stays. */
  add({ plan, startedAtMs, attempts, end }: StartedRun, decision: number, keepRuns: number): void {
    const { finishedAtMs, durationMs } = end as NonNullable<typeof end>
    const { scheduledForMs, lateByMs, missedSlots } = plan
    const numbers = this.#numbers
    const isCatchUp = plan.kind === 'catch-up' ? 1 : 0
    numbers.push(isCatchUp, scheduledForMs, startedAtMs, finishedAtMs, durationMs)
    numbers.push(lateByMs, missedSlots, attempts, decision)
    const excess = numbers.length / WIDTH - keepRuns
    if (excess >= PILE) numbers.splice(0, excess * WIDTH)
  }

  /** Oldest first; maybe a few more than are to be kept. */
  list(): Kept[] {
    return Array.from({ length: this.#numbers.length / WIDTH }, (_, index) => this.#unpack(index * WIDTH))
  }

  #unpack(at: number): Kept {
    const numbers = this.#numbers.slice(at, at + WIDTH) as Packed
    const [isCatchUp, scheduledForMs, startedAtMs, finishedAtMs, durationMs, ...rest] = numbers
    const [lateByMs, missedSlots, attempts, decision] = rest
    const runId = slotRunId(this.#worker, { dueAt: scheduledForMs })
    const record = startedRecord({
      plan: {
        worker: { name: this.#worker },
        runId,
        kind: isCatchUp ? 'catch-up' : 'scheduled',
        scheduledForMs,
        lateByMs,
        missedSlots,
        by: undefined,
      },
      instanceId: this.#instanceId,
      startedAtMs,
      attempts,
      end: { finishedAtMs, durationMs, outcome: 'succeeded' },
    })
    return { record, decision }
  }
}

type Packed = [number, number, number, number, number, number, number, number, number]
