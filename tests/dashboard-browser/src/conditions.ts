import {
  type HealthReason,
  type IBackgroundWorkerManager,
  type RunOutcome,
  type RunRecord,
  type WorkerStatus,
  every,
} from '@background-workers/abstractions'
import { findWrong, healthReport } from '@background-workers/abstractions/for-managers'
import { showInstead } from './show-instead.ts'

/** A worker that something is wrong with, or that somebody has laid hands on. */
interface Condition {
  readonly name: string
  /** How it stands, besides what each worker has. */
  readonly status: Partial<WorkerStatus>
  /** What the health says of it. */
  readonly reasons: readonly Omit<HealthReason, 'worker'>[]
  /** What its pages call that. */
  readonly badges: readonly string[]
}

const INSTANCE = '7d1a04c2-5f7b-4a53-8f0e-2f1f6a1f0c11'
const MINUTE_MS = 60_000

/** Each state and each thing that can be wrong with a worker, in the words of the managers, and one that much is wrong with. */
export function conditions(now = Date.now()): readonly Condition[] {
  const soon = { nextDueAt: new Date(now + 6 * MINUTE_MS) }
  const active = record(now - 4 * MINUTE_MS, undefined)
  const lost = record(now - 7 * MINUTE_MS, 'lost')
  const failed: RunRecord = {
    ...record(now - 7 * MINUTE_MS, 'failed'),
    error: { name: 'TypeError', message: 'the mailbox is no mailbox', stack: 'TypeError: the mailbox is no mailbox' },
  }
  const stuck: Condition['reasons'][number] = {
    code: 'stuck',
    message:
      'Run "report-export.1795367748664" was aborted 30 s ago and has not ended: its doWork does not heed the signal.',
  }
  const startFailed: Condition['reasons'][number] = {
    code: 'start-failed',
    message: 'Worker "pdf-archive" failed to start: no fonts are installed',
  }
  return [
    condition('order-export', ['Overdue'], { state: 'overdue', nextDueAt: new Date(now - MINUTE_MS) }, [
      ...found('order-export', { dueAtMs: now - MINUTE_MS }, now),
    ]),
    condition(
      'report-export',
      ['Stuck', 'Failed once'],
      { ...soon, state: 'stuck', activeRun: active, consecutiveFailures: 1 },
      [stuck],
    ),
    condition('season-opening', ['Idle', 'No next slot'], {}, found('season-opening', { dueAtMs: undefined }, now)),
    condition(
      'tax-report',
      ['Idle', 'Never ran'],
      { ...soon, recentOutcomes: ['skipped', 'missed', 'missed'] },
      found('tax-report', { hasRun: false, recentOutcomes: ['skipped', 'missed', 'missed'] }, now),
    ),
    condition(
      'stock-sync',
      ['Idle', 'Failed once', 'Lost a run'],
      { ...soon, lastRun: lost, lastFailure: lost, recentOutcomes: ['succeeded', 'lost'], consecutiveFailures: 1 },
      found('stock-sync', { recentOutcomes: ['succeeded', 'lost'] }, now),
    ),
    condition(
      'gpu-transcoder',
      ['No handler'],
      { ...soon, state: 'no-handler' },
      found('gpu-transcoder', { hasNoHandler: true }, now),
    ),
    condition(
      'loyalty-points',
      ['Orphaned'],
      { state: 'orphaned' },
      found('loyalty-points', { isOrphaned: true }, now),
    ),
    condition('pdf-archive', ['Start failed'], { state: 'start-failed' }, [startFailed]),
    condition(
      'mail-import',
      ['Idle', 'Failing 5 times'],
      { ...soon, lastRun: failed, lastFailure: failed, recentOutcomes: ['failed', 'failed'], consecutiveFailures: 5 },
      [],
    ),
    condition(
      'price-feed',
      ['Paused'],
      { state: 'paused', paused: { note: 'the vendor is down until 14:00', by: 'ada', since: new Date(now) } },
      [],
    ),
    condition(
      'session-cleaner',
      ['Idle'],
      {
        ...soon,
        schedule: { declared: every('10m'), override: { schedule: every('2h'), by: 'grace', since: new Date(now) } },
      },
      [],
    ),
    condition(
      'a-worker-with-a-long-name-that-much-is-wrong-with-at-the-same-time',
      ['Running', 'Paused', 'Failing 1204 times', 'Lost a run', 'No handler'],
      {
        state: 'running',
        activeRun: active,
        paused: { note: 'nobody knows what it does, so nobody dares to touch it', by: 'grace', since: new Date(now) },
        lastFailure: lost,
        recentOutcomes: ['failed', 'failed', 'missed', 'lost'],
        consecutiveFailures: 1_204,
      },
      found(
        'a-worker-with-a-long-name-that-much-is-wrong-with-at-the-same-time',
        { hasNoHandler: true, recentOutcomes: ['failed', 'lost'] },
        now,
      ),
    ),
  ]
}

/** The same manager where all of this is wrong, and what can be wrong with the manager itself. */
export function withConditions(manager: IBackgroundWorkerManager): IBackgroundWorkerManager {
  const all = conditions()
  const list = async () => {
    const workers = await manager.list()
    const { policy } = workers.find(({ name }) => name === 'currency-rates') as WorkerStatus
    const usual = {
      schedule: { declared: every('10m') },
      ...(policy && { policy }),
      state: 'idle' as const,
      recentOutcomes: [],
      consecutiveFailures: 0,
    }
    return [...workers, ...all.map(({ name, status }) => ({ ...usual, ...status, name }))]
  }
  return showInstead(manager, {
    list,
    get: async (name) => (await list()).find((worker) => worker.name === name),
    runs: async (name, options) => {
      const condition = all.find((each) => each.name === name)
      if (!condition) return manager.runs(name, options)
      const { activeRun, lastRun } = condition.status
      return [activeRun, lastRun].filter((run) => run !== undefined)
    },
    health: async () => {
      const { reasons, instances } = await manager.health()
      const ours = all.flatMap((each) => each.reasons.map((reason) => ({ ...reason, worker: each.name })))
      return healthReport('running', [...OF_THE_MANAGER, ...reasons, ...ours], instances)
    },
  })
}

const OF_THE_MANAGER: readonly HealthReason[] = [
  {
    code: 'event-loop-lag',
    message:
      'The event loop of this process stood still for 19204 ms, or the process was suspended. Slots are late; a lease that is not renewed in time is lost, and its run may take place twice.',
  },
  { code: 'clock-skew', message: 'The clock of this machine is 9311 ms ahead of that of Redis.' },
  {
    code: 'no-progress',
    message: 'The loop of the manager does not come round: no slot is decided. Restart the process.',
  },
]

function condition(
  name: string,
  badges: readonly string[],
  status: Condition['status'],
  reasons: Condition['reasons'],
): Condition {
  return { name, badges, status: { ...status, name }, reasons }
}

type Watched = Parameters<typeof findWrong>[0]

/** As the watchdog of both managers finds it. */
function found(name: string, wrong: Partial<Watched>, now: number): Condition['reasons'] {
  const fine = { name, isScheduled: true, dueAtMs: now + MINUTE_MS, hasRun: true, recentOutcomes: [] }
  return findWrong({ ...fine, ...wrong }, now).map(({ code, message }) => ({ code, message }))
}

function record(startedAtMs: number, outcome: RunOutcome | undefined): RunRecord {
  const startedAt = new Date(startedAtMs)
  return {
    runId: `run-${startedAtMs}`,
    worker: 'any',
    kind: 'scheduled',
    scheduledFor: startedAt,
    startedAt,
    lateByMs: 12,
    attempts: 1,
    instanceId: INSTANCE,
    ...(outcome === 'lost' && { reason: 'crash' }),
    ...(outcome && { outcome, finishedAt: new Date(startedAtMs + 31_000), durationMs: 31_000 }),
  }
}
