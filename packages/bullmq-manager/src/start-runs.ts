import { type GuardedLogger, isPeriodic, startRunId } from '@background-workers/abstractions/for-managers'
import type { Connection } from './connection.ts'
import type { ManagedPeriodicWorker, ManagedWorker } from './managed-worker.ts'
import type { FilledOptions } from './options.ts'
import type { RedisClock } from './redis-clock.ts'
import type { RunQueues } from './run-queues.ts'
import { startRunWindowMs } from './start-run-window.ts'
import type { Store } from './store.ts'
import type { UnstartedRuns } from './unstarted-runs.ts'

/** What is needed to ask for the runs of `runOnStart`. */
export interface StartRunsParts {
  readonly options: Pick<FilledOptions, 'release'>
  readonly connection: Connection
  readonly clock: RedisClock
  readonly store: Store
  readonly runQueues: RunQueues
  readonly unstartedRuns: UnstartedRuns
  readonly logger: GuardedLogger
}

/**
 * Asks for the runs of these workers that have `runOnStart`. Never rejects: what can not be asked for now is no reason to
 * run nothing at all.
 */
export async function requestStartRuns(entries: Iterable<ManagedWorker>, parts: StartRunsParts): Promise<void> {
  for (const entry of entries) {
    if (!isPeriodic(entry) || !entry.definition.policy.runOnStart || !entry.starter.isReady) continue
    try {
      await parts.connection.send('start', () => requestStartRun(entry, parts))
    } catch (err) {
      parts.logger.error({ err, worker: entry.definition.name }, 'runOnStart: the run could not be asked for')
    }
  }
}

/** Once per release in the cluster; without a release once in min(period, 10 min). The store has the last word. */
async function requestStartRun({ definition }: ManagedPeriodicWorker, parts: StartRunsParts): Promise<void> {
  const { store, clock, runQueues, unstartedRuns } = parts
  const { name, schedule, policy } = definition
  const { release } = parts.options
  const stored = await store.read(name)
  const now = clock.now()
  const startMark = release > 0 ? `release ${release}` : `at ${now}`
  if (!stored.definition || stored.paused || stored.startMark === startMark) return
  const windowMs = startRunWindowMs(schedule, name, now)
  const runId = startRunId(name, release > 0 ? `r${release}` : `${Math.floor(now / windowMs) * windowMs}`)
  const data = { worker: name, kind: 'start', slot: now, missedSlots: 0, startMark } as const
  const blockedBy = await runQueues.add(policy.queue, { ...data, runId, delayMs: 0 })
  if (blockedBy === undefined) return
  await unstartedRuns.record({ runId, data, stored }, { outcome: 'skipped', reason: 'overlap', blockedBy })
}
