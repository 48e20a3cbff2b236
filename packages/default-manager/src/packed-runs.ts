import type { RunRecord } from '@background-workers/abstractions'
import { type StartedRun, slotRunId, startedRecord } from '@background-workers/abstractions/for-managers'

/** A record and its place in the order of the decisions. */
export interface Kept {
  readonly record: RunRecord
  readonly decision: number
}

/** What a packed run consists of, in this order. */
const WIDTH = 6

/**
 * So many runs lie side by side. If all did, each run would write to another page of memory: with cold caches that took 200 of
 * 1,800 ns. (An array that grows has room for 17 numbers, and then for 43.)
 */
const CHUNK_RUNS = 7

/** Whether there is nothing to say of the run but numbers: a slot that ran on time and succeeded, at once. */
export function isPackable({ plan, attempts, end }: StartedRun): boolean {
  const { kind, missedSlots, by } = plan
  return end?.outcome === 'succeeded' && kind === 'scheduled' && missedSlots === 0 && attempts === 1 && by === undefined
}

/**
 * The last successful runs of slots of one worker, as numbers: 48 bytes each, which the garbage collector need not
 * look into. As records they would be 600 bytes, and most of what a run costs. They are written to memory that is in none of
 * the processor's caches, so each number more is felt.
 */
export class PackedRuns {
  readonly #worker: string
  readonly #instanceId: string
  /** A ring: once there are as many as are kept, the newest takes the place of the oldest, and nothing becomes garbage. */
  #chunks: number[][] = []
  #keepRuns = 0
  /** Its place in the ring. */
  #newest = -1
  /** The one with the newest. */
  #chunk: number[] = []

  constructor(worker: string, instanceId: string) {
    this.#worker = worker
    this.#instanceId = instanceId
  }

  /** The newest. */
  get last(): Kept | undefined {
    return this.#newest < 0 ? undefined : this.#unpack(this.#chunk, (this.#newest % CHUNK_RUNS) * WIDTH)
  }

  /** Takes a packable run, and lets go of the oldest when there are more than are to be kept. */
  add({ plan, startedAtMs, end }: StartedRun, decision: number, keepRuns: number): void {
    if (keepRuns !== this.#keepRuns) this.#resize(keepRuns)
    const { finishedAtMs, durationMs } = end as NonNullable<typeof end>
    const place = (this.#newest + 1) % keepRuns
    const at = (place % CHUNK_RUNS) * WIDTH
    if (at === 0) this.#chunk = this.#chunks[place / CHUNK_RUNS] ??= []
    const numbers = this.#chunk
    numbers[at] = plan.scheduledForMs
    numbers[at + 1] = startedAtMs
    numbers[at + 2] = finishedAtMs
    numbers[at + 3] = durationMs
    numbers[at + 4] = plan.lateByMs
    numbers[at + 5] = decision
    this.#newest = place
  }

  /** Oldest first. */
  list(): Kept[] {
    const numbers = this.#oldestFirst()
    return Array.from({ length: numbers.length / WIDTH }, (_, index) => this.#unpack(numbers, index * WIDTH))
  }

  /** A worker that was removed may come back with another policy. */
  #resize(keepRuns: number): void {
    const numbers = this.#oldestFirst().slice(-keepRuns * WIDTH)
    const size = CHUNK_RUNS * WIDTH
    this.#chunks = Array.from({ length: Math.ceil(numbers.length / size) }, (_, index) =>
      numbers.slice(index * size, (index + 1) * size),
    )
    this.#chunk = this.#chunks.at(-1) ?? []
    this.#keepRuns = keepRuns
    this.#newest = numbers.length / WIDTH - 1
  }

  #oldestFirst(): number[] {
    const numbers = this.#chunks.flat()
    const end = (this.#newest + 1) * WIDTH
    return [...numbers.slice(end), ...numbers.slice(0, end)]
  }

  #unpack(numbers: readonly number[], at: number): Kept {
    const packed = numbers.slice(at, at + WIDTH) as Packed
    const [scheduledForMs, startedAtMs, finishedAtMs, durationMs, lateByMs, decision] = packed
    const runId = slotRunId(this.#worker, { dueAt: scheduledForMs })
    const record = startedRecord({
      plan: {
        worker: { name: this.#worker },
        runId,
        kind: 'scheduled',
        scheduledForMs,
        lateByMs,
        missedSlots: 0,
        by: undefined,
      },
      instanceId: this.#instanceId,
      startedAtMs,
      attempts: 1,
      end: { finishedAtMs, durationMs, outcome: 'succeeded' },
    })
    return { record, decision }
  }
}

type Packed = [number, number, number, number, number, number]
