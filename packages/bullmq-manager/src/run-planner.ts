import type { RunKind } from '@background-workers/abstractions'
import {
  type RunPlan,
  decideSlot,
  effectiveSchedule,
  isPeriodic,
  isSlotRun,
  nextDueAt,
  nonRunOf,
} from '@background-workers/abstractions/for-managers'
import { type FetchedJob, MAX_HAND_BACKS, handBackMs, handBacksOf, putOff } from './hand-back.ts'
import type { LostRuns } from './lost-runs.ts'
import type { ManagedWorker } from './managed-worker.ts'
import type { RedisClock } from './redis-clock.ts'
import { missedSince } from './missed-since.ts'
import type { RunJobData, RunQueues } from './run-queues.ts'
import { startRunWindowMs } from './start-run-window.ts'
import type { RunClaim, Store } from './store.ts'
import type { StoredDefinition } from './stored-values.ts'
import { RUN_FIELDS, type StoredWorker, isKnown } from './stored-worker.ts'
import type { UnstartedRun, UnstartedRuns } from './unstarted-runs.ts'

/** How soon a run comes again whose worker is starting. */
const STARTING_MS = 500

/** Counts over all starts of a manager: a run that an earlier one has abandoned must not pass for a later one. */
let startNumber = 0

/** What a run planner needs of its session, and tells it. */
export interface RunPlannerParts {
  readonly clock: RedisClock
  readonly store: Store
  readonly runQueues: RunQueues
  readonly lostRuns: LostRuns
  readonly unstartedRuns: UnstartedRuns
  readonly instanceId: string
  /** The workers that were added here. */
  readonly entries: ReadonlyMap<string, ManagedWorker>
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

/** A run that may start here if the store agrees. */
export interface PlannedRun {
  readonly plan: RunPlan
  readonly claim: RunClaim
}

type StoredCase = RunCase & UnstartedRun & { readonly isRecovery: boolean }

/** Works out whether a run may start on this instance, and how. What may not is recorded, put off or handed back. */
export class RunPlanner {
  readonly #parts: RunPlannerParts

  constructor(parts: RunPlannerParts) {
    this.#parts = parts
  }

  /** @throws DelayedError when the job has gone back. */
  async plan(runCase: RunCase): Promise<PlannedRun | undefined> {
    const { job, runId, data } = runCase
    const stored = await this.#parts.store.read(data.worker, RUN_FIELDS)
    const earlier = await this.#parts.lostRuns.earlierStart(job, runId, stored)
    return earlier === 'ended'
      ? undefined
      : this.#planStart({ ...runCase, stored, isRecovery: earlier === 'to-recover' })
  }

  async #planStart(storedCase: StoredCase): Promise<PlannedRun | undefined> {
    const { runId, stored, isRecovery } = storedCase
    // A worker that was removed owes nothing.
    if (!isKnown(stored)) return undefined
    const { definition, startedUpTo = 0 } = stored
    const { slot: dueAt, missedSlots: counted } = storedCase.data
    // A slot that this run's tick found undecided may have been decided since.
    const decided = Math.max(startedUpTo, decidedBefore(stored, dueAt) ?? 0)
    const missedSlots = missedSince(stored, decided, { dueAt, missedSlots: counted })
    const runCase = { ...storedCase, data: { ...storedCase.data, missedSlots } }
    const { data } = runCase
    const entry = this.#parts.entries.get(data.worker)
    if (!entry || !isPeriodic(entry) || !entry.starter.isReady)
      return entry?.starter.isStarting ? putOff(runCase, STARTING_MS) : this.#handBack(runCase)
    if (data.kind === 'start' && stored.paused) return undefined
    const schedule = effectiveSchedule(stored)
    const now = this.#parts.clock.now()
    let kind: RunKind = data.kind
    let lateByMs = 0
    if (isSlotRun(data) && !isRecovery) {
      const slot = {
        dueAt: data.slot,
        nextDueAt: nextDueAt(schedule, data.slot, data.worker),
        missedSlots: data.missedSlots,
      }
      const owner = { name: data.worker, policy: definition.policy }
      const decision = decideSlot(owner, { paused: stored.paused !== undefined }, slot, Math.max(now, data.slot))
      // It was waiting, for its jitter or for a place, when the pause came, or it waited for too long.
      if (decision.kind === 'skip' || decision.kind === 'miss') {
        await this.#parts.unstartedRuns.record(runCase, nonRunOf(decision))
        return undefined
      }
      const startAt = decision.kind === 'run' ? decision.startAt : decision.until
      // A clock that is ahead of Redis has brought it early.
      if (startAt > now) return putOff(runCase, startAt - now)
      kind = decision.kind === 'run' ? decision.runKind : 'scheduled'
      lateByMs = decision.kind === 'run' ? decision.lateByMs : 0
    }
    const plan: RunPlan = {
      worker: { name: data.worker, doWork: (context) => entry.worker.doWork(context) },
      policy: definition.policy,
      runId,
      kind,
      scheduledForMs: data.slot,
      lateByMs,
      missedSlots: data.missedSlots,
      nextDueAtMs: nextDueAt(schedule, isSlotRun(data) ? data.slot : now, data.worker),
      lastSucceededAtMs: stored.lastSuccess?.finishedAt?.getTime(),
      by: data.by,
      cause: data.cause,
    }
    return { plan, claim: this.#claimOf(runCase, definition) }
  }

  #claimOf({ queue, data, stored, isRecovery }: StoredCase, { policy, schedule }: StoredDefinition): RunClaim {
    const { startMark } = data
    const windowMs = startMark?.startsWith('at ')
      ? startRunWindowMs(schedule, data.worker, this.#parts.clock.now())
      : undefined
    return {
      token: this.#parts.runQueues.token(queue, this.#parts.instanceId, ++startNumber),
      slot: isSlotRun(data) ? data.slot : undefined,
      decidedBefore: isSlotRun(data) ? decidedBefore(stored, data.slot) : undefined,
      startedBefore: stored.startedUpTo,
      keepRuns: policy.keepRuns,
      isRecovery,
      wasWaiting: stored.waiting !== undefined,
      ...(startMark !== undefined && {
        start: { mark: startMark, markBefore: stored.startMark, ...(windowMs !== undefined && { windowMs }) },
      }),
    }
  }

  async #handBack(runCase: StoredCase): Promise<undefined> {
    const { job, data, runId, stored, queue } = runCase
    const handBacks = handBacksOf(job)
    const isOrphaned = stored.orphanedAt !== undefined
    const isDeclaredElsewhere = !isOrphaned && (await this.#parts.isDeclaredElsewhere(data.worker, queue))
    // Where one instance of many has the worker, it may take more; as long as there is one, the run is not given up.
    if (isOrphaned || (handBacks >= MAX_HAND_BACKS && !isDeclaredElsewhere)) {
      await this.#parts.unstartedRuns.record(runCase, { outcome: 'missed', reason: 'no-handler' })
      return undefined
    }
    this.#parts.runHandedBack(data.worker, runId)
    return putOff(runCase, handBackMs(handBacks, isDeclaredElsewhere))
  }
}

/** Up to where slots were decided before the tick of this one, which may not have raised the mark yet. */
function decidedBefore({ decidedUpTo, lastRaise }: StoredWorker, slot: number): number | undefined {
  if (decidedUpTo === undefined || decidedUpTo < slot) return decidedUpTo
  return lastRaise?.to === slot ? lastRaise.from : undefined
}
