import type { RunKind, RunRecord } from '@background-workers/abstractions'
import { type StartedRun, slotRunId, startedRecord } from '@background-workers/abstractions/for-managers'

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
  return end?.outcome === 'succeeded' && plan.kind in KINDS && plan.by === undefined
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

  get last(): Kept | undefined {
    return this.#numbers.length > 0 ? this.#unpack(this.#numbers.length - WIDTH) : undefined
  }

  /** Takes a packable run. The newest always stays. */
  add({ plan, startedAtMs, attempts, end }: StartedRun, decision: number, keepRuns: number): void {
    const { finishedAtMs, durationMs } = end as NonNullable<typeof end>
    const { scheduledForMs, lateByMs, missedSlots } = plan
    const kind = KINDS[plan.kind as keyof typeof KINDS]
    const numbers = this.#numbers
    numbers.push(kind, scheduledForMs, startedAtMs, finishedAtMs, durationMs, lateByMs, missedSlots, attempts, decision)
    const excess = numbers.length / WIDTH - keepRuns
    if (excess >= PILE) numbers.splice(0, excess * WIDTH)
  }

  /** Oldest first; maybe a few more than are to be kept. */
  list(): Kept[] {
    return Array.from({ length: this.#numbers.length / WIDTH }, (_, index) => this.#unpack(index * WIDTH))
  }

  #unpack(at: number): Kept {
    const numbers = this.#numbers.slice(at, at + WIDTH) as Packed
    const [kind, scheduledForMs, startedAtMs, finishedAtMs, durationMs, lateByMs, missedSlots, attempts, decision] =
      numbers
    const runId = slotRunId(this.#worker, { dueAt: scheduledForMs })
    const record = startedRecord({
      plan: {
        worker: { name: this.#worker },
        runId,
        kind: kind === KINDS.scheduled ? 'scheduled' : 'catch-up',
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

const KINDS = { scheduled: 0, 'catch-up': 1 } satisfies Partial<Record<RunKind, number>>
