import type { FinishedRunRecord, Slot } from '@background-workers/abstractions'
import {
  decideSlot,
  effectiveSchedule,
  latestDueSlot,
  nextDueAt,
  nonRunOf,
  slotRunId,
  unstartedRecord,
} from '@background-workers/abstractions/for-managers'
import type { DecidedMarks } from './decided-marks.ts'
import type { RunQueues, SeenMarks } from './run-queues.ts'
import type { RedisClient } from './redis-client.ts'
import type { RedisClock } from './redis-clock.ts'
import type { Store } from './store.ts'
import { type KnownWorker, TICK_FIELDS, isKnown } from './stored-worker.ts'
import type { UnstartedEnd } from './unstarted-runs.ts'

/** What a tick needs of its session, and tells it. */
export interface TickParts {
  readonly client: RedisClient
  readonly clock: RedisClock
  readonly store: Store
  readonly runQueues: RunQueues
  readonly decidedMarks: DecidedMarks
  readonly instanceId: string
  /** By worker: the latest tick that is being processed here. */
  readonly ticking: Map<string, Promise<void>>
  /** The run that is active on the worker's former queue, which deduplication does not see. */
  activeElsewhere(worker: KnownWorker): Promise<string | undefined>
  /** A slot did not run. */
  slotSkipped(record: FinishedRunRecord): void
}

interface Tick {
  readonly worker: string
  readonly dueAt: number
}

/**
 * Processes a tick: decides the worker's latest due slot by what Redis says, never by a local object, and adds its
 * run. Takes milliseconds and runs no user code. A tick means only "look at this worker now", so it may come twice,
 * late, or early by a clock that is ahead.
 *
 * @param id - Of its job.
 */
export async function processTick(id: string | undefined, parts: TickParts): Promise<void> {
  const tick = readTickId(id)
  if (!tick) return
  const { ticking } = parts
  const before = ticking.get(tick.worker)?.catch(() => {}) ?? Promise.resolve()
  // Two that come at once, as after an outage, would both find the slot undecided, and both tell of it.
  const decided = before.then(() => decideTick(tick, parts))
  ticking.set(tick.worker, decided)
  try {
    await decided
  } finally {
    if (ticking.get(tick.worker) === decided) ticking.delete(tick.worker)
  }
}

async function decideTick(tick: Tick, parts: TickParts): Promise<void> {
  const worker = await parts.store.read(tick.worker, TICK_FIELDS)
  if (!isKnown(worker) || worker.orphanedAt !== undefined) return
  await parts.clock.measureIfDoubtful(parts.client)
  const slot = dueSlot(worker, tick.dueAt, parts.clock.now())
  if (!slot) return
  const { policy } = worker.definition
  const activeElsewhere = await parts.activeElsewhere(worker)
  const now = Math.max(parts.clock.now(), slot.dueAt)
  const owner = { name: tick.worker, policy }
  const decision = decideSlot(owner, { paused: worker.paused !== undefined, activeRunId: activeElsewhere }, slot, now)
  const runId = slotRunId(tick.worker, slot)
  const recordOf = () =>
    unstartedRecord({
      runId,
      worker: tick.worker,
      kind: 'scheduled',
      scheduledForMs: slot.dueAt,
      missedSlots: slot.missedSlots,
      instanceId: parts.instanceId,
    })
  const skip = async (decided: UnstartedEnd) => {
    const blockingSlot = Number(decided.blockedBy?.slice(worker.name.length + 1)) || 0
    // It is decided, though no mark says so yet.
    if (blockingSlot > (worker.decidedUpTo ?? 0) && blockingSlot < slot.dueAt) {
      await parts.store.raiseDecided(tick.worker, blockingSlot)
      return decideTick(tick, parts)
    }
    const countsAfter = Math.max(worker.decidedUpTo ?? 0, worker.startedUpTo ?? 0)
    const skipped = { ...recordOf(), ...decided, finishedAt: new Date(parts.clock.now()) }
    const isDecidedNow = await parts.store.decideNonRun(skipped, slot.dueAt, policy.keepRuns, {
      ...worker,
      countsAfter,
    })
    // Another instance was late with an earlier tick.
    if (isDecidedNow === undefined) await decideTick(tick, parts)
    else if (isDecidedNow) parts.slotSkipped(skipped)
  }
  switch (decision.kind) {
    case 'wait':
      return
    case 'skip':
      if (decision.reason === 'paused') await parts.store.raiseDecided(tick.worker, slot.dueAt)
      else await skip(nonRunOf(decision))
      return
    case 'miss': {
      // What is in the way counts first, and only the queue knows of it.
      const guard = await parts.runQueues.guardOf(policy.queue, tick.worker)
      const isBlocked = guard !== undefined && guard !== runId
      await skip(isBlocked ? overlapWith(guard) : nonRunOf(decision))
      return
    }
    case 'run': {
      const delayMs = Math.max(0, decision.startAt - parts.clock.now())
      const blockedBy = await parts.runQueues.add(policy.queue, {
        runId,
        worker: tick.worker,
        kind: 'scheduled',
        slot: slot.dueAt,
        missedSlots: slot.missedSlots,
        delayMs,
        seen: delayMs === 0 ? seenMarks(worker) : undefined,
      })
      // One that is left over belongs to a run that is gone.
      if (blockedBy === undefined && worker.waiting) await parts.store.clearWaiting(tick.worker)
      if (blockedBy !== undefined) await skip(overlapWith(blockedBy))
      else if (delayMs > 0) await parts.store.raiseDecided(tick.worker, slot.dueAt, recordOf())
      else parts.decidedMarks.add(tick.worker, slot.dueAt)
      return
    }
    default:
      decision satisfies never
  }
}

function overlapWith(blockedBy: string): UnstartedEnd {
  return { outcome: 'skipped', reason: 'overlap', blockedBy }
}

function seenMarks({ decidedUpTo, startedUpTo }: KnownWorker): SeenMarks | undefined {
  return decidedUpTo === undefined ? undefined : { decidedUpTo, startedUpTo }
}

/** The latest slot that is due and not decided; one that is early by Redis time counts, its run waits the rest. */
function dueSlot(worker: KnownWorker, tickDueAt: number, now: number): Slot | undefined {
  const schedule = effectiveSchedule(worker)
  // Without a mark, or with one that can not be read, it is the slot of the tick itself.
  const decidedUpTo = worker.decidedUpTo ?? Math.min(now, tickDueAt) - 1
  // A tick that was cut off once it had added its run has not raised the mark.
  const first = nextDueAt(schedule, Math.max(decidedUpTo, worker.startedUpTo ?? 0), worker.name)
  if (first === undefined || first > Math.max(now, tickDueAt)) return undefined
  return latestDueSlot(schedule, worker.name, first, Math.max(now, first))
}

/** The id of a tick's job, as BullMQ makes it. */
export function tickId(worker: string, dueAt: number): string {
  return `repeat:${worker}:${dueAt}`
}

/** Name and slot come from the job's id (`repeat:<name>:<ms>`), never from its name or data: BullMQ can make nameless ghosts. */
function readTickId(id: string | undefined): Tick | undefined {
  const match = /^repeat:([a-z0-9][a-z0-9._-]{0,99}):(\d{1,16})$/.exec(id ?? '')
  return match ? { worker: match[1] as string, dueAt: Number(match[2]) } : undefined
}
