import {
  type SafeLogger,
  StoreUnavailableError,
  isPeriodic,
  startRunId,
} from '@background-workers/abstractions/for-managers'
import type { Connection } from './connection.ts'
import { inBatches } from './in-batches.ts'
import type { ManagedPeriodicWorker, ManagedWorker } from './managed-worker.ts'
import type { FilledOptions } from './options.ts'
import type { RedisClock } from './redis-clock.ts'
import { isRefusal } from './redis-error.ts'
import type { RunQueues } from './run-queues.ts'
import { startRunWindowMs } from './start-run-window.ts'
import type { Store } from './store.ts'
import type { StoredWorker } from './stored-worker.ts'
import type { UnstartedRuns } from './unstarted-runs.ts'

/** What is needed to ask for the runs of `runOnStart`. */
export interface StartRunsParts {
  readonly options: Pick<FilledOptions, 'release'>
  readonly connection: Connection
  readonly clock: RedisClock
  readonly store: Store
  readonly runQueues: RunQueues
  readonly unstartedRuns: UnstartedRuns
  readonly logger: SafeLogger
}

/**
 * Asks for the runs of these workers that have `runOnStart`. Never rejects: what can not be asked for now is no reason to
 * run nothing at all. Once Redis can not be reached no more are asked for, so that a start waits no longer than one call.
 */
export async function requestStartRuns(entries: Iterable<ManagedWorker>, parts: StartRunsParts): Promise<void> {
  const { connection, logger } = parts
  const asked = [...entries]
    .filter(isPeriodic)
    .filter(({ definition, startState }) => definition.policy.runOnStart && startState === 'ready')
  if (asked.length === 0) return
  const left: string[] = []
  let unreachable: unknown
  await inBatches(asked, async (entry) => {
    const worker = entry.definition.name
    try {
      if (!unreachable) return await connection.send('start', () => requestStartRun(entry, parts))
    } catch (err) {
      if (!isUnreachable(err)) {
        return logger.error({ err, worker }, 'runOnStart: the run could not be asked for')
      }
      unreachable ??= err
    }
    left.push(worker)
  })
  if (unreachable) logger.error({ err: unreachable, workers: left }, 'runOnStart: runs could not be asked for')
}

/** Whether Redis did not answer; what it refuses for one worker it may take for another. */
function isUnreachable(error: unknown): boolean {
  return error instanceof StoreUnavailableError && !isRefusal(error.cause)
}

/**
 * Once per release in the cluster, and no more once it has run for a higher one; without a release once in min(period, 10 min).
 * The store has the last word.
 */
async function requestStartRun({ definition }: ManagedPeriodicWorker, parts: StartRunsParts): Promise<void> {
  const { store, clock, runQueues, unstartedRuns } = parts
  const { name, schedule, policy } = definition
  const { release } = parts.options
  const stored = await store.read(name)
  const now = clock.now()
  const startMark = release > 0 ? `release ${release}` : `at ${now}`
  if (!stored.definition || stored.paused || hasRunFor(release, stored)) return
  const windowMs = startRunWindowMs(schedule, name, now)
  const runId = startRunId(name, release > 0 ? `r${release}` : `${Math.floor(now / windowMs) * windowMs}`)
  const data = { worker: name, kind: 'start', slot: now, missedSlots: 0, startMark } as const
  const blockedBy = await runQueues.add(policy.queue, { ...data, runId, delayMs: 0 })
  if (blockedBy === undefined) return
  await unstartedRuns.record({ runId, data, stored }, { outcome: 'skipped', reason: 'overlap', blockedBy })
}

/** Whether it has run for this release, or for a higher one. */
function hasRunFor(release: number, { startMark = '' }: StoredWorker): boolean {
  const ran = /^release (\d{1,16})$/.exec(startMark)?.[1]
  return release > 0 && Number(ran) >= release
}
