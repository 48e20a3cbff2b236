import type { EventHub } from './event-hub.ts'
import type { GuardedLogger } from './guarded-logger.ts'
import type { HealthMonitor } from './health-monitor.ts'
import type { ByOption, PauseOptions, StopReport } from './manager.ts'
import type { Run } from './run.ts'
import { type RunRecord, describeError } from './run-record.ts'
import type { Schedule } from './schedule.ts'

/** What managers say of their workers, in the same words everywhere: as a log line, an event and a health reason. */
export class WorkerReports {
  readonly #logger: GuardedLogger
  readonly #events: EventHub
  readonly #health: HealthMonitor

  constructor(logger: GuardedLogger, events: EventHub, health: HealthMonitor) {
    this.#logger = logger
    this.#events = events
    this.#health = health
  }

  /** Its own `start` has resolved. */
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

  removed(worker: string, options: ByOption): void {
    this.#logger.info({ worker, by: options.by }, 'worker removed')
    this.#events.emit('worker-removed', { worker, ...options })
  }

  paused(worker: string, options: PauseOptions): void {
    this.#logger.info({ worker, ...options }, 'worker paused')
    this.#events.emit('worker-paused', { worker, ...options })
  }

  resumed(worker: string, options: ByOption): void {
    this.#logger.info({ worker, by: options.by }, 'worker resumed')
    this.#events.emit('worker-resumed', { worker, ...options })
  }

  rescheduled(worker: string, schedule: Schedule, options: ByOption): void {
    this.#logger.info({ worker, schedule, by: options.by }, 'worker rescheduled')
    this.#events.emit('worker-rescheduled', { worker, schedule, ...options })
  }

  /** A slot does not run: `skipped` or `missed`. */
  slotSkipped(record: RunRecord): void {
    const { worker, runId, outcome, reason, blockedBy, lateByMs } = record
    const details = { ...(blockedBy !== undefined && { blockedBy }), ...(lateByMs !== undefined && { lateByMs }) }
    this.#logger.warn({ worker, runId, reason, ...details }, `slot ${outcome}`)
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

  stopped({ finished, abandoned }: StopReport): void {
    if (abandoned.length > 0) this.#logger.error({ abandoned }, 'background workers stopped, some work did not end')
    else this.#logger.info({ finished }, 'background workers stopped')
  }
}
