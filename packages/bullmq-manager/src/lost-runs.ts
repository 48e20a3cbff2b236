import type { FinishedRunRecord, RunRecord } from '@background-workers/abstractions'
import type { SafeLogger } from '@background-workers/abstractions/for-managers'
import type { Job } from 'bullmq'
import type { RedisClock } from './redis-clock.ts'
import { type RunQueues, readRunJob } from './run-queues.ts'
import { type Store, firstStartOf } from './store.ts'
import { type StoredWorker, isKnown } from './stored-worker.ts'
import type { UnstartedRuns } from './unstarted-runs.ts'

/** What is needed to find out what became of a run, and who is told. */
export interface LostRunsParts {
  readonly clock: RedisClock
  readonly store: Store
  readonly runQueues: RunQueues
  readonly unstartedRuns: UnstartedRuns
  readonly logger: SafeLogger
  /** Whether a live instance takes this queue. */
  isQueueTaken(queue: string): boolean
  runFinished(record: FinishedRunRecord): void
  /** Its outcome is in the store: so many runs in a row have failed. */
  failuresCounted(record: RunRecord, consecutiveFailures: number): void
}

/** What is left to do of a run that was started before. */
export type EarlierStart = 'never-started' | 'ended' | 'to-recover'

/** Runs whose process died, or that a stop aborted: records the first start, and says whether they are started once more. */
export class LostRuns {
  readonly #parts: LostRunsParts

  constructor(parts: LostRunsParts) {
    this.#parts = parts
  }

  /** What became of earlier starts of this run. */
  async earlierStart(job: Job, runId: string, stored: StoredWorker): Promise<EarlierStart> {
    if (job.stalledCounter > 0) return this.#settle(runId, stored)
    // It has been given back: unstarted, or by a stop that aborted it.
    const wasAborted = job.attemptsStarted > 1 && (await this.#isToBeRecovered(runId, stored))
    return wasAborted ? 'to-recover' : 'never-started'
  }

  /**
   * The run that is active on another queue than this one, as the worker's queue has changed. When nobody takes that queue any more,
   * or its job was removed by hand, nobody there finds out that the process of the run has died: then it is recorded as lost here.
   *
   * @param taken - The run that was just taken from this queue. It holds the guard there, so that another one of the queue that is
   *   active has lost it, as BullMQ has given it up and who was to record that has died: that one is looked at, too.
   */
  async activeElsewhere(stored: StoredWorker, queue: string, taken?: string): Promise<string | undefined> {
    const { active } = stored
    const { runQueues } = this.#parts
    if (!active) return undefined
    const otherQueue = runQueues.queueOf(active.token)
    const { runId } = active.record
    if (otherQueue === queue && (taken === undefined || taken === runId)) return undefined
    // In this order: a job that is taken up between the two still has to be done.
    if (await runQueues.isLeased(otherQueue, runId)) return runId
    if (this.#parts.isQueueTaken(otherQueue) && (await runQueues.isToBeDone(otherQueue, runId))) return runId
    await this.#settle(runId, stored)
    return undefined
  }

  /**
   * A run was found without its lease a while ago. If its job still waits for a place, it is recorded as lost now. One that is to
   * be run again keeps the guard of its worker until it is taken up, also against a run on another queue.
   */
  async noteWaiting(queue: string, runId: string): Promise<void> {
    const job = await this.#parts.runQueues.getJob(queue, runId)
    const data = job && readRunJob(job)
    if (!data) return
    const stored = await this.#parts.store.read(data.worker)
    // Last of all: a start that was read before, and whose job waits now, has been cut off.
    if ((await job.getState()) === 'waiting') await this.#settle(runId, stored, false)
  }

  /** Gives up a run that could not be started, however often that was tried. One that has never started is missed for this reason. */
  async giveUp(job: Job, why: Pick<RunRecord, 'reason' | 'error'>): Promise<void> {
    const data = readRunJob(job)
    if (!data || job.id === undefined) return
    const { store, unstartedRuns } = this.#parts
    const [runId, stored] = [job.id, await store.read(data.worker)]
    const earlier = await this.#settle(runId, stored)
    // A worker that was removed owes nothing.
    if (earlier !== 'never-started' || !isKnown(stored)) return
    await unstartedRuns.record({ runId, data, stored }, { outcome: 'missed', ...why })
  }

  /** A run with `onCrash: 'recover'` whose first start has ended, and that has not been started again. */
  async #isToBeRecovered(runId: string, { name, definition }: StoredWorker): Promise<boolean> {
    const { store } = this.#parts
    if (definition?.policy.onCrash !== 'recover') return false
    return (await store.hasRecord(name, firstStartOf(runId))) && !(await store.hasRecord(name, runId))
  }

  /** The process of the run died: its first start is recorded as lost. Says what is left to do. */
  async #settle(runId: string, stored: StoredWorker, isTakenUp = true): Promise<EarlierStart> {
    const { store, clock, logger } = this.#parts
    const { active, definition, name } = stored
    const isActive = active?.record.runId === runId
    if (!isActive || active.isFinished) {
      // Its first start may have been settled before, and its second put off.
      const isToBeRecovered = await this.#isToBeRecovered(runId, stored)
      if (isActive && (isTakenUp || !isToBeRecovered)) await store.settleRun(name, active.token)
      if (isToBeRecovered) return 'to-recover'
      return isActive || (await store.hasRecord(name, runId)) ? 'ended' : 'never-started'
    }
    const lostField = firstStartOf(runId)
    const mayRecover = definition?.policy.onCrash === 'recover' && !(await store.hasRecord(name, lostField))
    const lost: FinishedRunRecord = {
      ...active.record,
      finishedAt: new Date(clock.now()),
      outcome: 'lost',
      reason: 'crash',
    }
    const keepRuns = definition?.policy.keepRuns ?? 100
    const field = mayRecover ? lostField : runId
    const failures = await store.finishRun(lost, active.token, keepRuns, isTakenUp || !mayRecover, field)
    // Another instance was quicker, and may have left the guard to it.
    if (failures === undefined) {
      if (isTakenUp) await store.settleRun(name, active.token)
      return (await this.#isToBeRecovered(runId, stored)) ? 'to-recover' : 'ended'
    }
    logger.error({ worker: name, runId, instanceId: lost.instanceId }, 'run lost: its process died')
    this.#parts.runFinished(lost)
    this.#parts.failuresCounted(lost, failures)
    return mayRecover ? 'to-recover' : 'ended'
  }
}
