import type { RunOutcome, RunRecord } from '@background-workers/abstractions'
import {
  RECENT_OUTCOMES,
  type StartedRun,
  isSlotRun,
  startedRecord,
} from '@background-workers/abstractions/for-managers'
import { type Kept, PackedRuns, isPackable } from './packed-runs.ts'

/** The records of one worker, in memory: the last runs and, apart from them, the last non-runs. */
export class RunHistory {
  #active: StartedRun | undefined
  #activeDecision = 0
  /** Runs that have ended; the many that succeeded in their slot are packed. */
  readonly #runs: Kept[] = []
  #packed: PackedRuns | undefined
  readonly #nonRuns: Kept[] = []
  /** The last ones up to one that is no success. */
  #outcomes: readonly RunOutcome[] = []
  /** Runs that have succeeded since. Nearly all do, and a number is the least to write. */
  #successes = 0
  #keepRuns = 0
  #lastUnpackedSuccess: Kept | undefined
  #lastFailure: Kept | undefined
  #lastSucceededAtMs: number | undefined
  #consecutiveFailures = 0
  #decisions = 0
  #lastSlotMs: number | undefined
  #hasRun = false

  get lastRun(): RunRecord | undefined {
    return newer(this.#runs.at(-1), this.#packed?.last)?.record
  }

  get lastSuccess(): RunRecord | undefined {
    return this.#lastSuccess?.record
  }

  /** In ms since the epoch. */
  get lastSucceededAtMs(): number | undefined {
    return this.#lastSucceededAtMs
  }

  get lastFailure(): RunRecord | undefined {
    return this.#lastFailure?.record
  }

  get recentOutcomes(): readonly RunOutcome[] {
    const successes = Array.from({ length: Math.min(this.#successes, RECENT_OUTCOMES) }, () => 'succeeded' as const)
    return [...this.#outcomes, ...successes].slice(-RECENT_OUTCOMES)
  }

  /** The slot that was decided last. */
  get lastSlotMs(): number | undefined {
    return this.#lastSlotMs
  }

  /** Whether anything has ever run, here or (as a lock says) elsewhere. */
  get hasRun(): boolean {
    return this.#hasRun
  }

  get consecutiveFailures(): number {
    return this.#consecutiveFailures
  }

  /** Records a run before its `doWork` starts. */
  begin(run: StartedRun, keepRuns: number): void {
    this.#keepRuns = keepRuns
    this.#hasRun = true
    this.#noteSlot(run.plan, run.plan.scheduledForMs)
    this.#active = run
    this.#activeDecision = ++this.#decisions
  }

  /** Puts the outcome of the run that has begun in its place. */
  finish(run: StartedRun, keepRuns: number): void {
    if (!run.end || this.#active !== run) return
    const decision = this.#activeDecision
    this.#active = undefined
    const { outcome, finishedAtMs } = run.end
    if (isPackable(run)) {
      this.#packed ??= new PackedRuns(run.plan.worker.name, run.instanceId)
      this.#packed.add(run, decision, keepRuns)
    } else {
      const kept = { record: startedRecord(run), decision }
      append(this.#runs, kept, keepRuns)
      if (outcome === 'succeeded') this.#lastUnpackedSuccess = kept
      else if (outcome === 'failed') this.#lastFailure = kept
    }
    if (outcome === 'succeeded') {
      this.#lastSucceededAtMs = finishedAtMs
      this.#consecutiveFailures = 0
    } else if (outcome === 'failed') {
      this.#consecutiveFailures++
    }
    this.#noteOutcome(outcome)
  }

  /** Records a run that never began: it was cancelled while it waited. */
  cancel(record: RunRecord, keepRuns: number): void {
    this.#keepRuns = keepRuns
    this.#hasRun = true
    this.#add(this.#runs, record, keepRuns)
  }

  /** Records a slot that does not run. */
  skip(record: RunRecord, keepRuns: number): void {
    if (record.reason === 'held-elsewhere') this.#hasRun = true
    this.#add(this.#nonRuns, record, keepRuns)
  }

  /** Newest first. */
  list(limit: number): RunRecord[] {
    const active = this.#active && [{ record: startedRecord(this.#active), decision: this.#activeDecision }]
    const runs = newestFirst([...this.#runs, ...(this.#packed?.list() ?? []), ...(active ?? [])])
    const lasts = [this.#lastSuccess, this.#lastFailure].filter((kept) => kept !== undefined)
    const kept = [...runs.slice(0, this.#keepRuns), ...this.#nonRuns, ...lasts]
    // One that was kept twice is listed once.
    const byDecision = new Map(kept.map((one) => [one.decision, one]))
    return newestFirst([...byDecision.values()])
      .slice(0, limit)
      .map(({ record }) => record)
  }

  get #lastSuccess(): Kept | undefined {
    return newer(this.#lastUnpackedSuccess, this.#packed?.last)
  }

  #add(list: Kept[], record: RunRecord, keepRuns: number): void {
    this.#noteSlot(record, record.scheduledFor.getTime())
    append(list, { record, decision: ++this.#decisions }, keepRuns)
    if (record.outcome) this.#noteOutcome(record.outcome)
  }

  #noteOutcome(outcome: RunOutcome): void {
    if (outcome === 'succeeded') {
      this.#successes++
    } else {
      this.#outcomes = [...this.recentOutcomes, outcome].slice(-RECENT_OUTCOMES)
      this.#successes = 0
    }
  }

  #noteSlot(run: Pick<RunRecord, 'kind'>, scheduledForMs: number): void {
    if (isSlotRun(run)) this.#lastSlotMs = scheduledForMs
  }
}

/** The order of the decisions is counted: two may fall in one millisecond, and the clock may be set back. */
function newestFirst(kept: Kept[]): Kept[] {
  return kept.sort((one, other) => other.decision - one.decision)
}

function newer(one: Kept | undefined, other: Kept | undefined): Kept | undefined {
  return (one?.decision ?? 0) >= (other?.decision ?? 0) ? one : other
}

function append<T>(list: T[], item: T, most: number): void {
  list.push(item)
  while (list.length > most) list.shift()
}
