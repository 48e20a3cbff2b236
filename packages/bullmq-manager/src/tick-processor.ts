import { type RunRecord, type Slot, decideSlot, nextDueAt } from '@background-workers/abstractions'
import { latestDueSlot } from '@background-workers/abstractions/for-managers'
import type { RunQueues } from './run-queues.ts'
import type { RedisClock } from './redis-clock.ts'
import type { Store } from './store.ts'
import type { StoredWorker } from './stored-worker.ts'

/** What a tick needs of its session, and tells it. */
export interface TickParts {
  readonly clock: RedisClock
  readonly store: Store
  readonly runQueues: RunQueues
  readonly instanceId: string
  /** The run that is active on the worker's former queue, which deduplication does not see. */
  activeElsewhere(worker: StoredWorker): Promise<string | undefined>
  /** A slot did not run. */
  slotSkipped(record: RunRecord): void
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
  const worker = await parts.store.readForTick(tick.worker)
  const { definition, override, removedAt, orphanedAt } = worker
  if (!definition || removedAt !== undefined || orphanedAt !== undefined) return
  const slot = dueSlot(worker, tick.dueAt, parts.clock.now())
  if (!slot) return
  const { policy } = definition
  const activeElsewhere = await parts.activeElsewhere(worker)
  const now = Math.max(parts.clock.now(), slot.dueAt)
  const owner = { name: tick.worker, policy }
  const decision = decideSlot(owner, { paused: worker.paused !== undefined, activeRunId: activeElsewhere }, slot, now)
  const record: RunRecord = {
    runId: `${tick.worker}.${slot.dueAt}`,
    worker: tick.worker,
    kind: 'scheduled',
    scheduledFor: new Date(slot.dueAt),
    ...(slot.missedSlots > 0 && { missedSlots: slot.missedSlots }),
    attempts: 0,
    instanceId: parts.instanceId,
  }
  const skip = async (decided: Partial<RunRecord>) => {
    const skipped = { ...record, ...decided, finishedAt: new Date(parts.clock.now()) }
    if (await parts.store.decideNonRun(skipped, slot.dueAt, policy.keepRuns, slot.dueAt)) parts.slotSkipped(skipped)
  }
  switch (decision.kind) {
    case 'wait':
      return
    case 'skip':
      if (decision.reason === 'paused') await parts.store.raiseDecided(tick.worker, slot.dueAt)
      else
        await skip({
          outcome: 'skipped',
          reason: decision.reason,
          ...(decision.blockedBy !== undefined && { blockedBy: decision.blockedBy }),
        })
      return
    case 'miss':
      await skip({ outcome: 'missed', reason: decision.reason, lateByMs: decision.lateByMs })
      return
    case 'run': {
      const delayMs = Math.max(0, decision.startAt - parts.clock.now())
      const blockedBy = await parts.runQueues.add(policy.queue, {
        runId: record.runId,
        worker: tick.worker,
        kind: 'scheduled',
        slot: slot.dueAt,
        missedSlots: slot.missedSlots,
        delayMs,
      })
      // One that is left over belongs to a run that is gone.
      if (blockedBy === undefined && worker.waiting) await parts.store.clearWaiting(tick.worker)
      if (blockedBy === undefined)
        await parts.store.raiseDecided(tick.worker, slot.dueAt, delayMs > 0 ? record : undefined)
      else await skip({ outcome: 'skipped', reason: 'overlap', blockedBy })
      return
    }
    default:
      decision satisfies never
  }

  /** The latest slot that is due and not decided; one that is early by Redis time counts, its run waits the rest. */
  function dueSlot(state: StoredWorker, tickDueAt: number, nowMs: number): Slot | undefined {
    const schedule = override?.schedule ?? (definition as NonNullable<typeof definition>).schedule
    // Without a mark, or with one that can not be read, it is the slot of the tick itself.
    const first = nextDueAt(schedule, state.decidedUpTo ?? Math.min(nowMs, tickDueAt) - 1, state.name)
    if (first === undefined || first > Math.max(nowMs, tickDueAt)) return undefined
    return latestDueSlot(schedule, state.name, first, Math.max(nowMs, first))
  }
}

/** The id of a tick's job, as BullMQ makes it. */
export function tickId(worker: string, dueAt: number): string {
  return `repeat:${worker}:${dueAt}`
}

/** Name and slot come from the job's id (`repeat:<name>:<ms>`), never from its name or data: BullMQ can make nameless ghosts. */
function readTickId(id: string | undefined): { readonly worker: string; readonly dueAt: number } | undefined {
  const match = /^repeat:([a-z0-9][a-z0-9._-]{0,99}):(\d{1,16})$/.exec(id ?? '')
  return match ? { worker: match[1] as string, dueAt: Number(match[2]) } : undefined
}
