import type { FinishedRunRecord, RunRecord } from '@background-workers/abstractions'
import {
  cancelledBeforeStart,
  isSlotRun,
  isSlotRunId,
  unstartedRecord,
  workerOfRunId,
} from '@background-workers/abstractions/for-managers'
import type { Job } from 'bullmq'
import type { RedisClock } from './redis-clock.ts'
import { type RunJobData, type RunQueues, isToBeDone, readRunJob } from './run-queues.ts'
import type { Store } from './store.ts'
import type { StoredWorker } from './stored-worker.ts'

/** What is needed to end runs before they start, and who is told. */
export interface UnstartedRunsParts {
  readonly clock: RedisClock
  readonly store: Store
  readonly runQueues: RunQueues
  /** The queues that live instances take. */
  readonly takenQueues: () => readonly string[]
  readonly instanceId: string
  runFinished(record: FinishedRunRecord): void
  slotSkipped(record: FinishedRunRecord): void
}

/** A run that has not started. */
export interface UnstartedRun {
  readonly runId: string
  readonly data: RunJobData
  readonly stored: StoredWorker
}

/** How it ends: what its record has besides. */
export type UnstartedEnd = Pick<FinishedRunRecord, 'outcome'> & Partial<RunRecord>

/** Ends runs that have not started: they wait for their jitter or for a place, or have just been taken. */
export class UnstartedRuns {
  readonly #parts: UnstartedRunsParts

  constructor(parts: UnstartedRunsParts) {
    this.#parts = parts
  }

  /** Cancels a run that waits. Gives `false` when it does not wait. */
  cancel(runId: string, stored: StoredWorker, by: string | undefined): Promise<boolean> {
    return this.#end(runId, stored, cancelledBeforeStart(by))
  }

  /** Whether its job is there, and BullMQ is not done with it. */
  async isToBeDone(runId: string, stored: StoredWorker): Promise<boolean> {
    return isToBeDone(await this.#jobOf(runId, stored))
  }

  /** A pause: a slot of the worker that waits is skipped. */
  async skipPaused(stored: StoredWorker): Promise<void> {
    const { definition, name } = stored
    if (!definition) return
    const runId = await this.#parts.runQueues.guardOf(definition.policy.queue, name)
    // What was triggered is not a slot, and runs while paused.
    if (runId !== undefined && isSlotRunId(runId) && stored.active?.record.runId !== runId) {
      await this.#end(runId, stored, { outcome: 'skipped', reason: 'paused' })
    }
  }

  /** A removed worker: what waits is forgotten with it. */
  async forget({ definition, waiting }: StoredWorker): Promise<void> {
    const job = definition && waiting && (await this.#parts.runQueues.getJob(definition.policy.queue, waiting.runId))
    // One that has just been taken finds the tombstone.
    await job?.remove().catch(() => {})
  }

  /** Records what was decided about a run that does not start. */
  async record({ runId, data, stored }: UnstartedRun, decided: UnstartedEnd): Promise<void> {
    const { store, instanceId, clock } = this.#parts
    const { worker, kind, slot, missedSlots } = data
    const record: FinishedRunRecord = {
      ...unstartedRecord({ runId, worker, kind, scheduledForMs: slot, missedSlots, instanceId }),
      ...decided,
      finishedAt: new Date(clock.now()),
    }
    const keepRuns = stored.definition?.policy.keepRuns ?? 100
    if (stored.waiting?.runId === runId) await store.clearWaiting(worker)
    if (!(await store.decideNonRun(record, isSlotRun(data) ? slot : undefined, keepRuns))) return
    if (record.outcome === 'aborted') this.#parts.runFinished(record)
    else this.#parts.slotSkipped(record)
  }

  async #end(runId: string, stored: StoredWorker, decided: UnstartedEnd): Promise<boolean> {
    const job = await this.#jobOf(runId, stored)
    const data = job && readRunJob(job)
    // BullMQ keeps the job of a run that did not succeed for its own tools; what has a record does not wait.
    if (!job || !data || (await this.#parts.store.hasRecord(data.worker, runId))) return false
    try {
      await job.remove()
    } catch {
      // It is locked: it has just been taken, so it no longer waits.
      return false
    }
    // A manual run that is cancelled before it starts was no slot; it is recorded all the same.
    await this.record({ runId, data, stored }, decided)
    return true
  }

  /** In the worker's queue, or in its former one, if anybody takes that. */
  async #jobOf(runId: string, { definition }: StoredWorker): Promise<Job | undefined> {
    if (!isRunId(runId)) return undefined
    const { runQueues, takenQueues } = this.#parts
    for (const queue of new Set([definition?.policy.queue ?? 'default', ...takenQueues()])) {
      const job = await runQueues.getJob(queue, runId)
      if (job) return job
    }
    return undefined
  }
}

/** What is none may be the name of a key that BullMQ keeps beside its jobs. */
export function isRunId(text: string): boolean {
  return workerOfRunId(text) !== '' && !text.includes(':')
}
