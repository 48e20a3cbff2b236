import type { Logger } from '@background-workers/abstractions'
import { safeLogger } from '@background-workers/abstractions/for-managers'
import type { DashboardAction } from './authorize.ts'

/** What somebody did with the dashboard, or was kept from doing. */
export interface AuditEntry {
  readonly at: Date
  /** Who, as `authorize` has said; none where that did not say. */
  readonly by?: string
  readonly action: DashboardAction
  readonly worker?: string
  /** What belongs to the action: the note of a pause, the new schedule, the run's id. */
  readonly details: Readonly<Record<string, unknown>>
  /** `refused`: the manager was not called. `failed`: it was, and threw. */
  readonly outcome: 'done' | 'refused' | 'failed'
  /** Why, where it was refused or failed: a fixed sentence, or the code of the error. */
  readonly reason?: string
}

/** Writes down what operators do: a log line each, and a call of the listener. Neither can break the action. */
export class Audit {
  readonly #logger
  readonly #onAudit: ((entry: AuditEntry) => unknown) | undefined

  constructor(logger: Logger | undefined, onAudit: ((entry: AuditEntry) => unknown) | undefined) {
    this.#logger = safeLogger(logger)
    this.#onAudit = onAudit
  }

  /** `err` goes to the log only. */
  write(entry: Omit<AuditEntry, 'at' | 'details'> & { readonly details?: AuditEntry['details'] }, err?: unknown): void {
    const full: AuditEntry = { at: new Date(), details: {}, ...entry }
    const { by, action, worker, details, outcome, reason } = full
    const line = {
      by,
      action,
      worker,
      details,
      ...(reason !== undefined && { reason }),
      ...(err !== undefined && { err }),
    }
    if (outcome === 'done') this.#logger.info(line, 'dashboard action done')
    else if (outcome === 'refused') this.#logger.warn(line, 'dashboard action refused')
    else this.#logger.error(line, 'dashboard action failed')
    this.#tell(full)
  }

  /** What is wrong with the dashboard itself. */
  error(data: object, message: string): void {
    this.#logger.error(data, message)
  }

  #tell(entry: AuditEntry): void {
    const report = (err: unknown) => this.#logger.error({ err }, 'the audit listener failed')
    try {
      const told: unknown = this.#onAudit?.(entry)
      if (told instanceof Promise) told.catch(report)
    } catch (err) {
      report(err)
    }
  }
}
