import type { HealthReason, RunRecord } from '@background-workers/abstractions'
import {
  type Finding,
  type SafeLogger,
  type HealthMonitor,
  WATCHED_CODES,
  type WorkerReports,
  failingReason,
  findWrong,
  lostReason,
} from '@background-workers/abstractions/for-managers'
import type { Instance } from './instances.ts'
import type { ManagedWorker } from './managed-worker.ts'
import type { RedisClock } from './redis-clock.ts'
import { type StoredWorker, isKnown } from './stored-worker.ts'
import { firstUndecided } from './worker-status.ts'

/** What a worker watch needs of its session, and tells it. */
export interface WorkerWatchParts {
  readonly clock: RedisClock
  readonly health: HealthMonitor
  readonly reports: WorkerReports
  readonly logger: SafeLogger
  /** The workers that were added here. */
  readonly entries: ReadonlyMap<string, ManagedWorker>
  /** The tick of a slot was lost, as when Redis refused it again and again: decide it all the same. */
  decideOverdue(worker: string, dueAt: number): void
}

/** What is looked at: the workers in Redis and the instances that live. */
export interface WatchedStore {
  readonly stored: ReadonlyMap<string, StoredWorker>
  readonly live: readonly Instance[]
  /** When reading it began: what runs here have come to since is newer. By `performance.now()`. */
  readonly readAt: number
  /** Just started: what came due while nobody ran is being decided, and who takes which queue is not known yet. */
  readonly isSettlingIn: boolean
}

/** Notices what is wrong with the workers of the application, wherever they run, and what no longer is. */
export class WorkerWatch {
  readonly #parts: WorkerWatchParts
  /** Runs of these workers came here, where they were not added. */
  readonly #handedBack = new Set<string>()
  /** By worker that was added here: when the latest outcome of a run of it was noted. */
  readonly #notedAt = new WeakMap<ManagedWorker, number>()
  /** Job schedulers of these names are not ours. */
  #foreign: ReadonlySet<string> = new Set()

  constructor(parts: WorkerWatchParts) {
    this.#parts = parts
  }

  /** Whether a worker is known to be overdue; then it is looked at again soon. */
  get knowsOverdue(): boolean {
    return this.#parts.health.reasons.some(({ code }) => code === 'overdue')
  }

  /** Whether a worker has a job scheduler of its name that is not ours, and so no ticks. */
  isForeign(worker: string): boolean {
    return this.#foreign.has(worker)
  }

  /** Tells of everything that has changed since it last looked. */
  look(seen: WatchedStore): void {
    const { health, reports, entries } = this.#parts
    const now = this.#parts.clock.now()
    for (const name of this.#handedBack) {
      const worker = seen.stored.get(name)
      const isAwaited = worker && isKnown(worker) && worker.orphanedAt === undefined
      if (!isAwaited || entries.has(name)) this.#handedBack.delete(name)
    }
    for (const worker of seen.stored.values()) {
      const { name, definition, consecutiveFailures } = worker
      const entry = entries.get(name)
      const isOutdated = entry !== undefined && (this.#notedAt.get(entry) ?? Number.NEGATIVE_INFINITY) >= seen.readAt
      const found = this.#findWrong(worker, seen, now)
      const findings = isOutdated ? this.#asNoted(name, found) : found
      reports.found(name, findings)
      for (const { code, dueAt } of findings) {
        if (code === 'overdue' && dueAt) this.#parts.decideOverdue(name, dueAt.getTime())
      }
      if (!isOutdated && health.has('failing', name)) health.noteFailures(name, definition ? consecutiveFailures : 0)
    }
    for (const { code, worker } of health.reasons) {
      if (worker !== undefined && WATCHED_CODES.has(code) && !seen.stored.has(worker)) reports.found(worker, [])
      if (worker !== undefined && code === 'failing' && !seen.stored.has(worker)) health.clear(code, worker)
    }
  }

  /** All that is wrong now, besides what has nothing to do with what Redis holds of the workers. Tells nobody. */
  reasons(seen: Omit<WatchedStore, 'readAt'>): HealthReason[] {
    const others = this.#parts.health.reasons.filter(({ code }) => !WATCHED_CODES.has(code) && code !== 'failing')
    const now = this.#parts.clock.now()
    const found = [...seen.stored.values()].flatMap((worker): HealthReason[] => {
      const failing = failingReason(worker.name, worker.definition ? worker.consecutiveFailures : 0)
      const findings = this.#findWrong(worker, seen, now).map(({ dueAt: _dueAt, ...reason }) => reason)
      return failing ? [failing, ...findings] : findings
    })
    return [...others, ...found]
  }

  /** A run has its outcome in Redis. Of a worker that is not added here, a look tells what that means. */
  noteRun({ worker, outcome }: RunRecord, consecutiveFailures: number): void {
    const { health, entries } = this.#parts
    const entry = entries.get(worker)
    // One that was removed meanwhile has no health any more.
    if (!entry) return
    this.#notedAt.set(entry, performance.now())
    health.noteFailures(worker, consecutiveFailures)
    health.clear('never-ran', worker)
    if (outcome === 'succeeded') health.clear('lost', worker)
    else if (outcome === 'lost') health.add(lostReason(worker))
  }

  /** Job schedulers that are not ours have the names of these workers. */
  noteForeign(workers: readonly string[]): void {
    const message = 'a job scheduler of that name is not ours, it is left alone and the worker has no ticks'
    for (const worker of workers) if (!this.#foreign.has(worker)) this.#parts.logger.warn({ worker }, message)
    this.#foreign = new Set(workers)
  }

  /** A run came here, where its worker was not added. */
  noteHandBack(worker: string, runId: string): void {
    const { health, logger } = this.#parts
    this.#handedBack.add(worker)
    if (health.add(handedBack(worker))) logger.warn({ worker, runId }, handedBack(worker).message)
  }

  /** What was found, with what is known of its runs in place of what was read before. */
  #asNoted(worker: string, found: readonly Finding[]): Finding[] {
    const others = found.filter(({ code }) => code !== 'lost' && code !== 'never-ran')
    return this.#parts.health.has('lost', worker) ? [...others, lostReason(worker)] : others
  }

  #findWrong(worker: StoredWorker, { live, isSettlingIn }: Omit<WatchedStore, 'readAt'>, now: number): Finding[] {
    if (!isKnown(worker)) return []
    const { name, definition, paused, orphanedAt, recentOutcomes } = worker
    const isTaken = live.some(({ queues }) => queues.includes(definition.policy.queue))
    const isScheduled = paused === undefined && !isSettlingIn
    const found = findWrong(
      {
        name,
        isScheduled,
        // A cron costs about 0.1 ms: a start does not pay for what it does not judge.
        dueAtMs: isScheduled ? firstUndecided(worker, now) : undefined,
        isSilentBecause: this.isForeign(name)
          ? 'a job scheduler of its name is not ours, and is left alone.'
          : undefined,
        isOrphaned: orphanedAt !== undefined,
        hasNoHandler: !isTaken && !isSettlingIn,
        hasRun: worker.startedUpTo !== undefined || worker.active !== undefined || worker.lastRun !== undefined,
        recentOutcomes,
      },
      now,
    )
    const isHandedBack = this.#handedBack.has(name) && !found.some(({ code }) => code === 'no-handler')
    return isHandedBack ? [...found, handedBack(name)] : found
  }
}

function handedBack(worker: string): Finding {
  const message = `A run of worker "${worker}" came here, where it was not added. Add it on every instance that takes its queue, or give it a queue of its own.`
  return { worker, code: 'no-handler', message }
}
