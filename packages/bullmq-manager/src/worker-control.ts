import type { ByOption, PauseOptions, Schedule } from '@background-workers/abstractions'
import {
  type Given,
  RunCancelledError,
  StoreUnavailableError,
  UnknownWorkerError,
  WorkerBusyError,
  WorkerNotReadyError,
  causeOfTrigger,
  checkNewSchedule,
  effectiveSchedule,
  isSameSchedule,
  manualRunId,
  pauseInfo,
  scheduleOverride,
  workerOfRunId,
} from '@background-workers/abstractions/for-managers'
import type { CancelRequests } from './cancel-requests.ts'
import type { Connection } from './connection.ts'
import type { Keys } from './keys.ts'
import type { LostRuns } from './lost-runs.ts'
import type { ManagedWorker } from './managed-worker.ts'
import type { FilledOptions } from './options.ts'
import type { Reconciler } from './reconciler.ts'
import type { RedisClient } from './redis-client.ts'
import type { RedisClock } from './redis-clock.ts'
import type { RunProcessor } from './run-processor.ts'
import type { RunQueues } from './run-queues.ts'
import { MIN_PERIOD_MS, type TickSchedulers } from './schedulers.ts'
import type { Store } from './store.ts'
import { type KnownWorker, type StoredWorker, isKnown } from './stored-worker.ts'
import { type UnstartedRuns, isRunId } from './unstarted-runs.ts'
import { LOCKED_MS, withWriteLock } from './write-lock.ts'

/** What the control calls need of their session. */
export interface WorkerControlParts {
  readonly options: FilledOptions
  readonly client: RedisClient
  readonly keys: Keys
  readonly connection: Connection
  readonly clock: RedisClock
  readonly store: Store
  readonly schedulers: TickSchedulers
  readonly reconciler: Reconciler
  readonly runQueues: RunQueues
  readonly runProcessor: RunProcessor
  readonly lostRuns: LostRuns
  readonly unstartedRuns: UnstartedRuns
  readonly cancelRequests: CancelRequests
  /** The workers that were added here. */
  readonly entries: ReadonlyMap<string, ManagedWorker>
}

/**
 * What the control calls do in Redis: to every worker of the application, whether it was added here or not. What they
 * take has been checked, but for schedules. Each rejects with `StoreUnavailableError` when Redis can not be reached;
 * those that name a worker, but for `remove`, with `UnknownWorkerError` when Redis has none of that name.
 */
export class WorkerControl {
  readonly #parts: WorkerControlParts

  constructor(parts: WorkerControlParts) {
    this.#parts = parts
  }

  /** Gives `false` when Redis has no such worker. */
  async remove(name: string): Promise<boolean> {
    const { store, clock, schedulers, unstartedRuns } = this.#parts
    let isRemoved = false
    // Whoever has read the worker before, to declare it, would take the tombstone back.
    await this.#alone('remove', async () => {
      const stored = await store.read(name)
      isRemoved = await store.remove(name, clock.now())
      if (!isRemoved) return
      // Not before: a worker that could not be removed would have lost its slot.
      await unstartedRuns.forget(stored)
      if (!(await schedulers.hasForeign(name))) await schedulers.remove(name)
    })
    return isRemoved
  }

  /** @throws WorkerNotReadyError, WorkerBusyError */
  async trigger(name: string, { by }: ByOption): Promise<string> {
    const { options, clock, reconciler, runQueues, runProcessor, lostRuns, entries } = this.#parts
    const stored = await this.#read(name, 'trigger')
    const entry = entries.get(name)
    const isOnlyHere = reconciler.live.length <= 1
    if (entry && options.isEnabled && isOnlyHere && entry.startState !== 'ready') {
      const { active } = stored
      const isInTheWay = active && (!active.isFinished || active.record.outcome === 'lost')
      const activeRunId = isInTheWay ? active.record.runId : runProcessor.unsettledRun(name)
      if (activeRunId !== undefined) throw new WorkerBusyError(name, activeRunId)
      throw new WorkerNotReadyError(name)
    }
    const { queue } = stored.definition.policy
    const runId = manualRunId(name)
    const blockedBy = await this.#send(
      'trigger',
      async () =>
        (await lostRuns.activeElsewhere(stored, queue)) ??
        runQueues.add(queue, {
          runId,
          worker: name,
          kind: 'manual',
          slot: clock.now(),
          missedSlots: 0,
          delayMs: 0,
          cause: causeOfTrigger(name),
          ...(by !== undefined && { by }),
        }),
    )
    if (blockedBy !== undefined) throw new WorkerBusyError(name, blockedBy)
    return runId
  }

  /** Gives `false` when no such run is active. */
  async cancel(runId: string, { by }: ByOption): Promise<boolean> {
    const { store, runProcessor, unstartedRuns, cancelRequests } = this.#parts
    const name = workerOfRunId(runId)
    const local = runProcessor.heldRun(runId)
    if (local) return local.abort(new RunCancelledError(name, runId, by))
    if (!isRunId(runId)) return false
    return this.#send('cancel', async () => {
      const stored = await store.read(name)
      const active = stored.active?.record.runId === runId ? stored.active : undefined
      // One that is lost, and still has the guard, waits to be run again.
      const isLost = active?.isFinished && active.record.outcome === 'lost'
      if (active?.isFinished && !isLost) return false
      const mayWait = !active || isLost
      if (mayWait && stored.definition && (await unstartedRuns.cancel(runId, stored, by))) {
        if (active) await store.settleRun(name, active.token)
        return true
      }
      if (!active && !(await this.#isTakenUp(runId, stored))) return false
      await cancelRequests.send(runId, by)
      return true
    })
  }

  async pause(name: string, options: Given<PauseOptions>): Promise<void> {
    const { clock, store, runProcessor, unstartedRuns } = this.#parts
    const stored = await this.#read(name, 'pause')
    await this.#send('pause', async () => {
      await store.setPause(name, pauseInfo(options, stored.paused, clock.now()))
      await unstartedRuns.skipPaused(stored)
    })
    runProcessor.endRetries(name, new Date(clock.now()))
  }

  /** Gives `false` when it was not paused. */
  async resume(name: string): Promise<boolean> {
    const { clock, store } = this.#parts
    const { paused } = await this.#read(name, 'resume')
    if (!paused) return false
    await this.#send('resume', () => store.clearPause(name, clock.now()))
    return true
  }

  /**
   * Gives the schedule that is in force now.
   *
   * @throws InvalidScheduleError, StoreUnavailableError
   */
  async reschedule(name: string, schedule: Schedule | undefined, options: Given<ByOption>): Promise<Schedule> {
    const { clock, store, schedulers } = this.#parts
    const { definition } = await this.#read(name, 'reschedule')
    const checked = checkNewSchedule(name, schedule, MIN_PERIOD_MS)
    const after = checked ?? definition.schedule
    // Two that write at once would leave the override of one and the ticks of the other.
    await this.#alone('reschedule', async () => {
      const stored = await this.#read(name, 'reschedule')
      const isChanged = !isSameSchedule(effectiveSchedule(stored), after)
      const now = clock.now()
      await store.setOverride(name, scheduleOverride(checked, options, now), isChanged ? now : undefined)
      if (isChanged && !(await schedulers.hasForeign(name))) await schedulers.write(name, after, false)
    })
    return after
  }

  /** Whether a run that neither waits nor was active when its worker was read has been taken up, and is not over. */
  async #isTakenUp(runId: string, stored: StoredWorker): Promise<boolean> {
    const { store, unstartedRuns } = this.#parts
    if (!(await unstartedRuns.isToBeDone(runId, stored))) return false
    if (!(await store.hasRecord(stored.name, runId))) return true
    // It has been decided since; or it is over, and BullMQ has not taken its job back yet.
    const { active } = await store.read(stored.name, ['active'])
    return active?.record.runId === runId && !active.isFinished
  }

  /**
   * Sends what no other instance may write at the same time.
   *
   * @throws StoreUnavailableError also when others write for too long
   */
  async #alone(call: string, work: () => Promise<void>): Promise<void> {
    const { client, keys, options } = this.#parts
    const endsAt = performance.now() + options.commandTimeoutMs
    while (!(await this.#send(call, () => withWriteLock(client, keys, work)))) {
      if (performance.now() > endsAt) {
        throw new StoreUnavailableError(
          `${call}: other instances have been writing for ${options.commandTimeoutMs} ms, so nothing was changed. Try again later.`,
        )
      }
      await new Promise((resolve) => setTimeout(resolve, LOCKED_MS))
    }
  }

  /** What is written is dated: by a clock that did not stand still while this machine was suspended. */
  #send<T>(call: string, work: () => Promise<T>): Promise<T> {
    const { connection, clock, client } = this.#parts
    return connection.send(call, async () => {
      await clock.measureIfDoubtful(client)
      return work()
    })
  }

  async #read(name: string, call: string): Promise<KnownWorker> {
    const { connection, store } = this.#parts
    const stored = await connection.send(call, () => store.read(name))
    if (!isKnown(stored)) throw new UnknownWorkerError(name)
    return stored
  }
}
