import type { RunKind } from '@background-workers/abstractions'
import {
  type RunPlan,
  cancelledBeforeStart,
  decideSlot,
  effectiveSchedule,
  isPeriodic,
  isSlotRun,
  nextDueAt,
  nonRunOf,
} from '@background-workers/abstractions/for-managers'
import type { CancelRequests } from './cancel-requests.ts'
import { type FetchedJob, HAND_BACK_MS, MAX_HAND_BACKS, handBackMs, handBacksOf, putOff } from './hand-back.ts'
import type { LostRuns } from './lost-runs.ts'
import type { ManagedWorker } from './managed-worker.ts'
import type { RedisClient } from './redis-client.ts'
import type { RedisClock } from './redis-clock.ts'
import { missedSince } from './missed-since.ts'
import type { RunJobData, RunQueues } from './run-queues.ts'
import { startRunWindowMs } from './start-run-window.ts'
import type { RunClaim, Store } from './store.ts'
import type { StoredDefinition } from './stored-values.ts'
import { type KnownVersion, RUN_FIELDS, type StoredWorker, declarationOf, isKnown } from './stored-worker.ts'
import type { UnstartedEnd, UnstartedRun, UnstartedRuns } from './unstarted-runs.ts'

/** How soon a run comes again whose worker is still being added here, or is starting. */
const STARTING_MS = 500

/** Counts over all starts of a manager: a run that an earlier one has abandoned must not pass for a later one. */
let startNumber = 0

/** What a run planner needs of its session, and tells it. */
export interface RunPlannerParts {
  readonly client: RedisClient
  readonly clock: RedisClock
  readonly store: Store
  readonly runQueues: RunQueues
  readonly lostRuns: LostRuns
  readonly unstartedRuns: UnstartedRuns
  readonly cancelRequests: CancelRequests
  /** The run of this worker that goes on here, if one does. */
  unsettledRun(worker: string): string | undefined
  readonly instanceId: string
  /** The workers that were added here. */
  readonly entries: ReadonlyMap<string, ManagedWorker>
  /** What was read of a worker last, and may have changed since. */
  known(worker: string): KnownVersion | undefined
  /** Whether another live instance that takes this queue says that it has the worker. */
  isDeclaredElsewhere(worker: string, queue: string): Promise<boolean>
  /** A run has come for a worker that is not here; it goes to another instance. */
  runHandedBack(worker: string, runId: string): void
}

/** A run job that is to be decided. */
export interface RunCase extends FetchedJob {
  readonly runId: string
  readonly queue: string
  readonly data: RunJobData
}

/** When its worker last succeeded is known once the run is decided. */
interface UndecidedPlan extends RunPlan {
  lastSucceededAtMs: number | undefined
}

/** A run that may start here if the store agrees. */
export interface PlannedRun {
  readonly plan: UndecidedPlan
  readonly claim: RunClaim
}

interface StoredCase extends RunCase, UnstartedRun {
  readonly isRecovery: boolean
  readonly declaredVersion: string
  readonly activeText?: string | undefined
  /** Another run of its worker that is active, though this one holds the guard of its queue. */
  readonly activeElsewhere?: string | undefined
}

/** Works out whether a run may start on this instance, and how. What may not is recorded, put off or handed back. */
export class RunPlanner {
  readonly #parts: RunPlannerParts

  constructor(parts: RunPlannerParts) {
    this.#parts = parts
  }

  /**
   * Most runs start, and are planned by what their tick has read and what is known here of their worker; the others afresh, by what
   * Redis says now. The store starts a run only if that still holds; otherwise it is planned again.
   *
   * @throws DelayedError when the job has gone back.
   */
  async plan(runCase: RunCase, afresh: boolean): Promise<PlannedRun | undefined> {
    await this.#parts.clock.measureIfDoubtful(this.#parts.client)
    const seenCase = afresh ? undefined : this.#asSeen(runCase)
    const expected = seenCase && this.#planStart(seenCase)
    if (typeof expected === 'object') return expected
    const { job, runId, queue, data } = runCase
    const { lostRuns, unstartedRuns, cancelRequests } = this.#parts
    const { stored, version, activeText } = await this.#parts.store.readWithVersion(data.worker, RUN_FIELDS)
    const earlier = await lostRuns.earlierStart(job, runId, stored)
    if (earlier === 'ended') return undefined
    // It was cancelled while it had been taken before, or before its process was found to have died.
    const cancelled = job.attemptsStarted > 1 ? await cancelRequests.find(runId) : undefined
    if (cancelled) {
      await unstartedRuns.record({ runId, data, stored }, cancelledBeforeStart(cancelled.by))
      return undefined
    }
    const planned = this.#planStart({
      ...runCase,
      stored,
      isRecovery: earlier === 'to-recover',
      declaredVersion: version,
      activeText,
      activeElsewhere: await lostRuns.activeElsewhere(stored, queue, runId),
    })
    return typeof planned === 'function' ? planned() : planned
  }

  /** A run as its tick has left it; none that has waited, or was fetched before. */
  #asSeen(runCase: RunCase): StoredCase | undefined {
    const { job, data } = runCase
    const known = job.attemptsStarted === 1 && job.stalledCounter === 0 ? this.#parts.known(data.worker) : undefined
    if (!known || !data.seen) return undefined
    const { decidedUpTo, startedUpTo } = data.seen
    const stored: StoredWorker = {
      name: data.worker,
      ...declarationOf(known.worker),
      decidedUpTo,
      ...(startedUpTo !== undefined && { startedUpTo }),
      recentOutcomes: [],
      consecutiveFailures: 0,
    }
    return { ...runCase, stored, isRecovery: false, declaredVersion: known.version }
  }

  /** Gives how it starts, or what is to be done with it instead. */
  #planStart(runCase: StoredCase): PlannedRun | (() => Promise<undefined>) {
    const { runId, data, stored, isRecovery } = runCase
    // A worker that was removed owes nothing.
    if (!isKnown(stored)) return nothing
    const { definition, startedUpTo = 0 } = stored
    // A slot that this run's tick found undecided may have been decided since.
    const decided = Math.max(startedUpTo, decidedBefore(stored, data.slot) ?? 0)
    const missedSlots = missedSince(stored, decided, { dueAt: data.slot, missedSlots: data.missedSlots })
    const entry = this.#parts.entries.get(data.worker)
    if (!entry || !isPeriodic(entry) || entry.startState === 'failed') return () => this.#handBack(runCase, missedSlots)
    if (entry.startState !== 'ready') return () => putOff(runCase, STARTING_MS)
    // There is no runOnStart while paused, and no second start of a slot; what was triggered runs.
    if (stored.paused && (data.kind === 'start' || (isRecovery && isSlotRun(data)))) return nothing
    const activeRunId = runCase.activeElsewhere ?? this.#parts.unsettledRun(data.worker)
    if (activeRunId !== undefined) {
      // What was triggered, or is recovered, waits until that has ended; a slot is judged below.
      if (data.kind === 'manual' || isRecovery) return () => putOff(runCase, HAND_BACK_MS)
      const overlap = nonRunOf({ kind: 'skip', reason: 'overlap', blockedBy: activeRunId })
      if (data.kind === 'start') return () => this.#record(runCase, missedSlots, overlap)
    }
    const schedule = effectiveSchedule(stored)
    const now = this.#parts.clock.now()
    let kind: RunKind = data.kind
    let lateByMs = 0
    if (isSlotRun(data) && !isRecovery) {
      const slot = {
        dueAt: data.slot,
        nextDueAt: nextDueAt(schedule, data.slot, data.worker),
        missedSlots,
      }
      const owner = { name: data.worker, policy: definition.policy }
      const state = { paused: stored.paused !== undefined, activeRunId }
      const decision = decideSlot(owner, state, slot, Math.max(now, data.slot))
      // It was waiting, for its jitter or for a place, when the pause or the other run came, or it waited for too long.
      if (decision.kind === 'skip' || decision.kind === 'miss') {
        return () => this.#record(runCase, missedSlots, nonRunOf(decision))
      }
      const startAt = decision.kind === 'run' ? decision.startAt : decision.until
      // A clock that is ahead of Redis has brought it early.
      if (startAt > now) return () => putOff(runCase, startAt - now)
      kind = decision.kind === 'run' ? decision.runKind : 'scheduled'
      lateByMs = decision.kind === 'run' ? decision.lateByMs : 0
    }
    const plan: UndecidedPlan = {
      worker: { name: data.worker, doWork: (context) => entry.worker.doWork(context) },
      policy: definition.policy,
      runId,
      kind,
      scheduledForMs: data.slot,
      lateByMs,
      missedSlots,
      nextDueAtMs: nextDueAt(schedule, isSlotRun(data) ? data.slot : now, data.worker),
      lastSucceededAtMs: undefined,
      by: data.by,
      cause: data.cause,
    }
    return { plan, claim: this.#claimOf(runCase, definition) }
  }

  #claimOf(
    { queue, data, stored, isRecovery, declaredVersion, activeText }: StoredCase,
    { policy, schedule }: StoredDefinition,
  ): RunClaim {
    const { startMark } = data
    const windowMs = startMark?.startsWith('at ')
      ? startRunWindowMs(schedule, data.worker, this.#parts.clock.now())
      : undefined
    return {
      token: this.#parts.runQueues.token(queue, this.#parts.instanceId, ++startNumber),
      slot: isSlotRun(data) ? data.slot : undefined,
      decidedBefore: isSlotRun(data) ? decidedBefore(stored, data.slot) : undefined,
      startedBefore: stored.startedUpTo,
      activeBefore: activeText,
      keepRuns: policy.keepRuns,
      isRecovery,
      declaredVersion,
      ...(startMark !== undefined && {
        start: { mark: startMark, markBefore: stored.startMark, ...(windowMs !== undefined && { windowMs }) },
      }),
    }
  }

  async #record(runCase: StoredCase, missedSlots: number, decided: UnstartedEnd): Promise<undefined> {
    await this.#parts.unstartedRuns.record({ ...runCase, data: { ...runCase.data, missedSlots } }, decided)
  }

  async #handBack(runCase: StoredCase, missedSlots: number): Promise<undefined> {
    const { job, data, runId, stored, queue } = runCase
    const handBacks = handBacksOf(job)
    const isOrphaned = stored.orphanedAt !== undefined
    const isDeclaredElsewhere = !isOrphaned && (await this.#parts.isDeclaredElsewhere(data.worker, queue))
    // Where one instance of many has the worker, it may take more; as long as there is one, the run is not given up.
    if (isOrphaned || (handBacks >= MAX_HAND_BACKS && !isDeclaredElsewhere))
      return this.#record(runCase, missedSlots, { outcome: 'missed', reason: 'no-handler' })
    this.#parts.runHandedBack(data.worker, runId)
    return putOff(runCase, handBackMs(handBacks, isDeclaredElsewhere))
  }
}

const nothing = async () => undefined

/** Up to where slots were decided before the tick of this one, which may not have raised the mark yet. */
function decidedBefore({ decidedUpTo, lastRaise }: StoredWorker, slot: number): number | undefined {
  if (decidedUpTo === undefined || decidedUpTo < slot) return decidedUpTo
  return lastRaise?.to === slot ? lastRaise.from : undefined
}
