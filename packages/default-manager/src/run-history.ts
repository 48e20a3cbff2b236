import type { RunOutcome, RunRecord } from '@background-workers/abstractions'
import { RECENT_OUTCOMES } from '@background-workers/abstractions/for-managers'

/** The records of one worker, in memory: the last runs and, apart from them, the last non-runs. */
export class RunHistory {
  readonly #runs: RunRecord[] = []
  readonly #nonRuns: RunRecord[] = []
  readonly #recentOutcomes: RunOutcome[] = []
  #lastRun: RunRecord | undefined
  #lastSuccess: RunRecord | undefined
  #lastFailure: RunRecord | undefined
  #consecutiveFailures = 0

  get lastRun(): RunRecord | undefined {
    return this.#lastRun
  }

  get lastSuccess(): RunRecord | undefined {
    return this.#lastSuccess
  }

  get lastFailure(): RunRecord | undefined {
    return this.#lastFailure
  }

  get recentOutcomes(): readonly RunOutcome[] {
    return this.#recentOutcomes
  }

  get consecutiveFailures(): number {
    return this.#consecutiveFailures
  }

  /** Records a run before its `doWork` starts. */
  begin(record: RunRecord, keepRuns: number): void {
    append(this.#runs, record, keepRuns)
  }

  /** Puts the outcome of a run in its place; also of one that was never begun (cancelled while it waited). */
  finish(record: RunRecord, keepRuns: number): void {
    const index = this.#runs.findLastIndex(({ runId }) => runId === record.runId)
    if (index >= 0) this.#runs[index] = record
    else append(this.#runs, record, keepRuns)
    this.#lastRun = record
    if (record.outcome === 'succeeded') {
      this.#lastSuccess = record
      this.#consecutiveFailures = 0
    } else if (record.outcome === 'failed') {
      this.#lastFailure = record
      this.#consecutiveFailures++
    }
    this.#noteOutcome(record)
  }

  /** Records a slot that does not run. */
  skip(record: RunRecord, keepRuns: number): void {
    append(this.#nonRuns, record, keepRuns)
    this.#noteOutcome(record)
  }

  /** Newest first. */
  list(limit: number): RunRecord[] {
    const kept = new Set([...this.#runs, ...this.#nonRuns])
    for (const last of [this.#lastSuccess, this.#lastFailure]) if (last) kept.add(last)
    return [...kept].sort((one, other) => decidedAt(other) - decidedAt(one)).slice(0, limit)
  }

  #noteOutcome({ outcome }: RunRecord): void {
    if (outcome) append(this.#recentOutcomes, outcome, RECENT_OUTCOMES)
  }
}

function decidedAt(record: RunRecord): number {
  return (record.startedAt ?? record.finishedAt ?? record.scheduledFor).getTime()
}

function append<T>(list: T[], item: T, most: number): void {
  list.push(item)
  if (list.length > most) list.shift()
}
