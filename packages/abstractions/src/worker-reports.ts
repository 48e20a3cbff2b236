import type { EventHub } from './event-hub.ts'
import type { Given } from './given-options.ts'
import type { SafeLogger } from './safe-logger.ts'
import type { HealthCode } from './health.ts'
import type { HealthMonitor } from './health-monitor.ts'
import type { ByOption, PauseOptions, StopReport } from './manager.ts'
import type { Run } from './run.ts'
import { describeError } from './recorded-error.ts'
import type { FinishedRunRecord } from './run-record.ts'
import type { Schedule } from './schedule.ts'
import { type Finding, WATCHED_CODES, type WatchedCode } from './watchdog.ts'

/** What managers say of their workers, in the same words everywhere: as a log line, an event and a health reason. */
export class WorkerReports {
  readonly #logger: SafeLogger
  readonly #events: EventHub
  readonly #health: HealthMonitor

  constructor(logger: SafeLogger, events: EventHub, health: HealthMonitor) {
    this.#logger = logger
    this.#events = events
    this.#health = health
  }

  /** The manager takes slots from now on; `details` go into the log. */
  managerStarted(details: { readonly workers: number; readonly instanceId: string; readonly release?: number }): void {
    this.#logger.info(details, 'background workers started')
  }

  /** The manager has started with `isEnabled: false`. */
  managerDisabled(): void {
    this.#logger.info({}, 'background workers are disabled here (isEnabled: false)')
  }

  managerStopped({ abandoned, ...counts }: StopReport): void {
    this.#health.clearAll(ONLY_WHILE_RUNNING)
    if (abandoned.length > 0) this.#logger.error({ abandoned }, 'background workers stopped, some work did not end')
    else this.#logger.info(counts, 'background workers stopped')
  }

  /** The worker's own `start` has resolved. */
  started(worker: string): void {
    if (this.#health.clear('start-failed', worker)) this.#events.emit('worker-recovered', { worker })
  }

  startFailed(worker: string, error: unknown): void {
    this.#logger.error({ err: error, worker }, 'worker failed to start')
    const message = `Worker "${worker}" failed to start: ${describeError(error).message}`
    this.#health.add({ worker, code: 'start-failed', message })
    this.#events.emit('worker-start-failed', { worker, error })
  }

  stopFailed(worker: string, err: unknown): void {
    this.#logger.error({ err, worker }, 'worker failed to stop')
  }

  removed(worker: string, options: Given<ByOption>): void {
    this.#logger.info({ worker, by: options.by }, 'worker removed')
    this.#events.emit('worker-removed', { worker, ...options })
  }

  paused(worker: string, options: Given<PauseOptions>): void {
    this.#logger.info({ worker, ...options }, 'worker paused')
    this.#events.emit('worker-paused', { worker, ...options })
  }

  resumed(worker: string, options: Given<ByOption>): void {
    this.#logger.info({ worker, by: options.by }, 'worker resumed')
    this.#events.emit('worker-resumed', { worker, ...options })
  }

  rescheduled(worker: string, schedule: Schedule, options: Given<ByOption>): void {
    this.#logger.info({ worker, schedule, by: options.by }, 'worker rescheduled')
    this.#events.emit('worker-rescheduled', { worker, schedule, ...options })
  }

  /** A slot does not run: `skipped` or `missed`. */
  slotSkipped(record: FinishedRunRecord): void {
    const { worker, runId, scheduledFor, outcome, reason, blockedBy, lateByMs } = record
    const details = { ...(blockedBy !== undefined && { blockedBy }), ...(lateByMs !== undefined && { lateByMs }) }
    // In a cluster all instances but one find every slot held: that is how it should be.
    const level = reason === 'held-elsewhere' ? 'debug' : 'warn'
    this.#logger[level]({ worker, runId, scheduledFor, reason, ...details }, `slot ${outcome}`)
    this.#events.emit('run-skipped', record)
  }

  runRetrying(run: Run, attempt: number, error: unknown, retryAtMs: number): void {
    const { worker, runId } = run.record
    this.#events.emit('run-retrying', { worker, runId, attempt, error, retryAt: new Date(retryAtMs) })
  }

  runStuck(run: Run): void {
    const { runId, worker } = run.record
    this.#logger.error({ worker, runId }, 'worker is stuck: its run was aborted 30 s ago and has not ended')
    const message = `Run "${runId}" was aborted 30 s ago and has not ended: its doWork does not heed the signal.`
    this.#health.add({ worker, code: 'stuck', message })
    this.#events.emit('worker-stuck', { worker, runId })
  }

  /** The worker may run again. */
  runSettled(worker: string): void {
    if (this.#health.clear('stuck', worker)) this.#events.emit('worker-recovered', { worker })
  }

  /** All that is wrong with a worker now: tells of what was not known, and takes back what is over. */
  found(worker: string, findings: readonly Finding[]): void {
    if (findings.length === 0 && this.#health.isFine(worker)) return
    for (const code of WATCHED_CODES) {
      if (findings.some((finding) => finding.code === code)) continue
      if (this.#health.clear(code, worker) && code === 'overdue') this.#events.emit('worker-recovered', { worker })
    }
    for (const { dueAt, ...reason } of findings) {
      const isNew = this.#health.add(reason)
      if (!isNew) continue
      const { level, line } = LINES[reason.code]
      this.#logger[level]({ worker, code: reason.code, ...(dueAt && { dueAt }) }, line)
      if (reason.code === 'overdue' && dueAt) this.#events.emit('worker-overdue', { worker, dueAt })
      if (reason.code === 'orphaned') this.#events.emit('worker-orphaned', { worker })
    }
  }

  /** Says nothing when there were none. */
  schedulesRepaired(workers: readonly string[], message: string): void {
    if (workers.length === 0) return
    this.#logger.warn({ workers: workers.length }, message)
    this.#events.emit('schedules-repaired', { workers, message })
  }
}

/** What only a running manager can say. */
const ONLY_WHILE_RUNNING: ReadonlySet<HealthCode> = new Set<HealthCode>([
  'overdue',
  'no-next-slot',
  'never-ran',
  'no-handler',
  'clock-skew',
])

const LINES: Readonly<Record<WatchedCode, { readonly level: 'warn' | 'error'; readonly line: string }>> = {
  overdue: { level: 'error', line: 'worker is overdue: nobody decides its slots' },
  'no-next-slot': { level: 'error', line: 'worker has no next slot, it is silent from now on' },
  'never-ran': { level: 'warn', line: 'worker has never run: its slots are skipped or missed' },
  lost: { level: 'warn', line: 'worker lost a run, and none has succeeded since' },
  orphaned: { level: 'warn', line: 'worker is orphaned: no live instance of the release in force declares it' },
  'no-handler': { level: 'warn', line: 'worker has no handler: no live instance takes its queue' },
}
