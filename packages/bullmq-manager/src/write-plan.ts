import type { ScheduleOverride } from '@background-workers/abstractions'
import {
  type EventHub,
  type SafeLogger,
  type WorkerReports,
  isSlotRun,
} from '@background-workers/abstractions/for-managers'
import { inBatches } from './in-batches.ts'
import type { Instances } from './instances.ts'
import type { ReconcilePlan } from './reconcile-plan.ts'
import type { RedisClock } from './redis-clock.ts'
import { isOfRedis, isRefusal } from './redis-error.ts'
import { type RunQueues, readRunJob } from './run-queues.ts'
import type { TickSchedulers } from './schedulers.ts'
import type { Store } from './store.ts'
import type { StoredDefinition } from './stored-values.ts'
import type { StoredWorker } from './stored-worker.ts'

/** What is needed to write a plan, and to say what it changes. */
export interface WritePlanParts {
  readonly store: Store
  readonly schedulers: TickSchedulers
  readonly runQueues: RunQueues
  readonly instances: Instances
  readonly clock: RedisClock
  readonly events: EventHub
  readonly logger: SafeLogger
  readonly reports: WorkerReports
}

/**
 * Writes a plan and announces what it changes. Gives `false` when the write lock was lost, and so not everything was written, or
 * when BullMQ would not write a scheduler; the next check tries again.
 */
export async function writePlan(
  plan: ReconcilePlan,
  stored: ReadonlyMap<string, StoredWorker>,
  lockToken: string,
  { store, schedulers, runQueues, instances, clock, events, logger, reports }: WritePlanParts,
): Promise<boolean> {
  if (!(await store.declare(plan.declarations, lockToken))) return false
  for (const { name, definition, dropsOverride } of plan.declarations) {
    const override = stored.get(name)?.override
    if (dropsOverride && override) overrideDropped(name, override, definition, { events, logger })
  }
  for (const name of plan.orphans) if (!(await store.setOrphaned(name, clock.now(), lockToken))) return false
  const now = clock.now()
  const ahead = plan.markRepairs.flatMap((name) => stored.get(name) ?? [])
  const queues = ahead.map(({ definition }) => definition?.policy.queue)
  // Before their slots come again.
  for (const queue of new Set(queues)) if (queue !== undefined) await runQueues.forgetFailed(queue, now)
  await inBatches(ahead, (worker) => wakeWaiting(worker, now, { store, runQueues }))
  for (const name of plan.markRepairs) if (!(await store.setMarksBack(name, now, lockToken))) return false
  let isWritten = true
  await inBatches(plan.writes, async ({ name, schedule, isNew }) => {
    try {
      await schedulers.write(name, schedule, isNew)
    } catch (err) {
      // What Redis itself refuses (no right, no room) it refuses again.
      if (isRefusal(err)) throw err
      isWritten = false
      logger.warn({ err, worker: name }, 'a schedule could not be written, it will be written again')
    }
  })
  await inBatches(plan.removals, (name) => schedulers.remove(name))
  for (const name of plan.expired) {
    if (await store.delete(name, lockToken)) logger.warn({ worker: name }, 'orphaned worker deleted with its records')
    else isWritten = false
  }
  await instances.forget(plan.deadInstances)
  reports.schedulesRepaired(plan.markRepairs, 'schedules were ahead of the clock: they go on from now')
  reports.schedulesRepaired(plan.restored, 'schedules had lost their pending job: they go on')
  return isWritten
}

/**
 * The run that holds the guard of a worker may have been put off by a clock that was ahead, for as long as that was: it is judged now.
 * One for a slot that comes again goes, unless it has started.
 */
async function wakeWaiting(
  { name, definition, active, waiting }: StoredWorker,
  now: number,
  { store, runQueues }: Pick<WritePlanParts, 'store' | 'runQueues'>,
): Promise<void> {
  if (!definition) return
  const { queue } = definition.policy
  const runId = await runQueues.guardOf(queue, name)
  const job = runId !== undefined && (await runQueues.getJob(queue, runId))
  const data = job && readRunJob(job)
  if (!job || !data) return
  const comesAgain = isSlotRun(data) && data.slot > now && active?.record.runId !== runId
  // Of one that does not wait, both fail: whoever has it judges it. (`promote` takes rights that nothing else does.)
  await (comesAgain ? job.remove() : job.changeDelay(0)).catch((error: unknown) => {
    if (isOfRedis(error)) throw error
  })
  if (comesAgain && waiting?.runId === runId) await store.clearWaiting(name)
}

/** Says that an override is gone because the code has changed. */
export function overrideDropped(
  worker: string,
  { schedule }: ScheduleOverride,
  { schedule: declared }: StoredDefinition,
  { events, logger }: Pick<WritePlanParts, 'events' | 'logger'>,
): void {
  logger.warn({ worker }, 'the declared schedule has changed, the override is dropped')
  events.emit('override-dropped', { worker, override: schedule, declared })
}
