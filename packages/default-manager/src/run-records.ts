import type { FinishedRunRecord, RunKind, RunRecord, Slot } from '@background-workers/abstractions'
import {
  type EventHub,
  type HealthMonitor,
  type Run,
  type WorkerReports,
  slotRunId,
  unstartedRecord,
} from '@background-workers/abstractions/for-managers'
import type { ManagedPeriodicWorker } from './managed-worker.ts'
import type { FilledOptions } from './options.ts'

/** What the records share with their manager. */
export interface RunRecordsParts {
  readonly options: FilledOptions
  readonly instanceId: string
  readonly events: EventHub
  readonly health: HealthMonitor
  readonly reports: WorkerReports
  /** Its history has changed, and with it maybe what is wrong with it. */
  recorded(entry: ManagedPeriodicWorker, now: number): void
}

/** Makes records of what has not started, writes outcomes into the worker's history, and announces them. */
export class RunRecords {
  readonly #parts: RunRecordsParts

  constructor(parts: RunRecordsParts) {
    this.#parts = parts
  }

  /** Of a run that is asked for, or of one that does not start. */
  unstarted(
    { name }: ManagedPeriodicWorker,
    runId: string,
    kind: RunKind,
    scheduledForMs: number,
    missedSlots = 0,
  ): RunRecord {
    const { instanceId } = this.#parts
    return unstartedRecord({ runId, worker: name, kind, scheduledForMs, missedSlots, instanceId })
  }

  /** Of a slot that waits, or whose run does not start. */
  ofSlot(entry: ManagedPeriodicWorker, slot: Slot): RunRecord {
    const { dueAt, missedSlots } = slot
    return this.unstarted(entry, slotRunId(entry.name, slot), 'scheduled', dueAt, missedSlots)
  }

  /** A run has its outcome. */
  finish(entry: ManagedPeriodicWorker, run: Run): void {
    entry.history.finish(run, entry.definition.policy.keepRuns)
    // One that was removed meanwhile has no health any more.
    if (entry.isAdded) this.#parts.health.noteFailures(entry.name, entry.history.consecutiveFailures)
    if (this.#parts.events.hears('run-finished')) this.#parts.events.emit('run-finished', run.finishedRecord)
    this.#parts.recorded(entry, run.end?.finishedAtMs ?? this.#parts.options.clock.now())
  }

  /** A run has its outcome that never began: it was cancelled while it waited. */
  cancel(entry: ManagedPeriodicWorker, record: FinishedRunRecord): void {
    entry.history.cancel(record, entry.definition.policy.keepRuns)
    this.#parts.events.emit('run-finished', record)
    this.#parts.recorded(entry, this.#parts.options.clock.now())
  }

  /** No run starts: it is skipped or missed. */
  skip(entry: ManagedPeriodicWorker, decided: RunRecord & Pick<FinishedRunRecord, 'outcome'>): void {
    const now = this.#parts.options.clock.now()
    const record = { ...decided, finishedAt: new Date(now) }
    entry.history.skip(record, entry.definition.policy.keepRuns)
    this.#parts.reports.slotSkipped(record)
    this.#parts.recorded(entry, now)
  }
}
