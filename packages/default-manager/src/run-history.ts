import type { RunOutcome, RunRecord } from '@background-workers/abstractions'
import { RECENT_OUTCOMES } from '@background-workers/abstractions/for-managers'

/** The records of one worker, in memory: the last runs and, apart from them, the last non-runs. */
export class RunHistory {
  readonly #runs: Kept[] = []
  readonly #nonRuns: Kept[] = []
  readonly #recentOutcomes: RunOutcome[] = []
  #lastRun: RunRecord | undefined
  #lastSuccess: Kept | undefined
  #lastFailure: Kept | undefined
  #consecutiveFailures = 0
  #decisions = 0
  #lastSlotMs: number | undefined
  #runsElsewhere = false

  get lastRun(): RunRecord | undefined {
    return this.#lastRun
  }

  get lastSuccess(): RunRecord | undefined {
    return this.#lastSuccess?.record
  }

  get lastFailure(): RunRecord | undefined {
    return this.#lastFailure?.record
  }

  get recentOutcomes(): readonly RunOutcome[] {
    return this.#recentOutcomes
  }

  /** The slot that was decided last. */
  get lastSlotMs(): number | undefined {
    return this.#lastSlotMs
  }

  /** Whether anything has ever run, here or (as a lock says) elsewhere. */
  get hasRun(): boolean {
    return this.#runs.length > 0 || this.#runsElsewhere
  }

  get consecutiveFailures(): number {
    return this.#consecutiveFailures
  }

  /** Records a run before its `doWork` starts. */
  begin(record: RunRecord, keepRuns: number): void {
    append(this.#runs, this.#keep(record), keepRuns)
  }

  /** Puts the outcome of a run in its place; also of one that was never begun (cancelled while it waited). */
  finish(record: RunRecord, keepRuns: number): void {
    // After a step back of the clock a slot may come again, with the run id of a run that has ended.
    let kept = this.#runs.findLast(({ record: { runId, outcome } }) => runId === record.runId && outcome === undefined)
    if (kept) kept.record = record
    else {
      kept = this.#keep(record)
      append(this.#runs, kept, keepRuns)
    }
    this.#lastRun = record
    if (record.outcome === 'succeeded') {
      this.#lastSuccess = kept
      this.#consecutiveFailures = 0
    } else if (record.outcome === 'failed') {
      this.#lastFailure = kept
      this.#consecutiveFailures++
    }
    this.#noteOutcome(record)
  }

  /** Records a slot that does not run. */
  skip(record: RunRecord, keepRuns: number): void {
    append(this.#nonRuns, this.#keep(record), keepRuns)
    if (record.reason === 'held-elsewhere') this.#runsElsewhere = true
    this.#noteOutcome(record)
  }

  /** Newest first. */
  list(limit: number): RunRecord[] {
    const kept = new Set([...this.#runs, ...this.#nonRuns])
    for (const last of [this.#lastSuccess, this.#lastFailure]) if (last) kept.add(last)
    const newestFirst = [...kept].sort((one, other) => other.decision - one.decision)
    return newestFirst.slice(0, limit).map(({ record }) => record)
  }

  #keep(record: RunRecord): Kept {
    const isSlot = record.kind === 'scheduled' || record.kind === 'catch-up'
    if (isSlot) this.#lastSlotMs = record.scheduledFor.getTime()
    return { record, decision: ++this.#decisions }
  }

  #noteOutcome({ outcome }: RunRecord): void {
    if (outcome) append(this.#recentOutcomes, outcome, RECENT_OUTCOMES)
  }
}

/** The order of the decisions is counted: two may fall in one millisecond, and the clock may be set back. */
interface Kept {
  record: RunRecord
  readonly decision: number
}

function append<T>(list: T[], item: T, most: number): void {
  list.push(item)
  if (list.length > most) list.shift()
}
