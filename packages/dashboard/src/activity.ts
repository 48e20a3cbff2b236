import type { IBackgroundWorkerManager, RunRecord, WorkerStatus } from '@background-workers/abstractions'

const MINUTE_MS = 60_000

/** How many minutes are kept. */
export const ACTIVITY_MINUTES = 60

/** What was counted in one minute. */
export interface ActivityMinute {
  /** When the minute began, in ms since the epoch. */
  readonly startMs: number
  readonly runs: number
  /** How many of these runs failed or were lost. */
  readonly failures: number
}

/**
 * Counts runs by the minute in which they ended: all of this instance, by its events, and of other instances the last
 * run of each worker whenever the list is looked at. So it never counts too many, and may miss runs of other instances.
 */
export class Activity {
  /** When it began to count. */
  readonly since: Date
  readonly #now: () => number
  readonly #minutes = new Map<number, { runs: number; failures: number }>()
  /** When the run of a worker ended that was counted last, and those that ended in this ms: no later one ends before. */
  readonly #countedUpTo = new Map<string, { readonly endedAt: number; readonly runIds: Set<string> }>()
  readonly #unsubscribe: () => void

  constructor(manager: Pick<IBackgroundWorkerManager, 'on'>, now: () => number = Date.now) {
    this.#now = now
    this.since = new Date(now())
    this.#unsubscribe = manager.on('run-finished', (record) => this.#count(record))
  }

  /** Takes its listener back. */
  close(): void {
    this.#unsubscribe()
  }

  /** Counts the last runs that are not counted yet. */
  look(workers: readonly WorkerStatus[]): void {
    for (const { lastRun } of workers) if (lastRun) this.#count(lastRun)
  }

  /** The last 60 minutes, the current one included, oldest first. */
  minutes(): ActivityMinute[] {
    const current = minuteOf(this.#now())
    return Array.from({ length: ACTIVITY_MINUTES }, (_, index) => {
      const startMs = current - (ACTIVITY_MINUTES - 1 - index) * MINUTE_MS
      return { startMs, runs: 0, failures: 0, ...this.#minutes.get(startMs) }
    })
  }

  #count({ worker, runId, startedAt, finishedAt, outcome }: RunRecord): void {
    if (!startedAt || !finishedAt) return
    const endedAt = finishedAt.getTime()
    const now = this.#now()
    const oldest = minuteOf(now) - (ACTIVITY_MINUTES - 1) * MINUTE_MS
    if (endedAt < oldest) return
    const last = this.#countedUpTo.get(worker)
    // One that ended over a minute from now did so before the clock was set back: what ends before it is no old run.
    if (last && endedAt < last.endedAt && last.endedAt <= now + MINUTE_MS) return
    const runIds = last?.endedAt === endedAt ? last.runIds : new Set<string>()
    if (runIds.has(runId)) return
    this.#countedUpTo.set(worker, { endedAt, runIds: runIds.add(runId) })
    const startMs = minuteOf(endedAt)
    let minute = this.#minutes.get(startMs)
    if (!minute) {
      minute = { runs: 0, failures: 0 }
      this.#minutes.set(startMs, minute)
      this.#forget(oldest)
    }
    minute.runs++
    if (outcome === 'failed' || outcome === 'lost') minute.failures++
  }

  /** What ended before is counted no more, so nobody has to know that it was. */
  #forget(oldest: number): void {
    for (const startMs of this.#minutes.keys()) if (startMs < oldest) this.#minutes.delete(startMs)
    for (const [worker, { endedAt }] of this.#countedUpTo) if (endedAt < oldest) this.#countedUpTo.delete(worker)
  }
}

/** When the minute of a time began; both in ms since the epoch. */
export function minuteOf(timeMs: number): number {
  return Math.floor(timeMs / MINUTE_MS) * MINUTE_MS
}
