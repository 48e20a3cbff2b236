import type { HealthReason, WorkerState, WorkerStatus } from '@background-workers/abstractions'
import { FAILING_AFTER } from '@background-workers/abstractions/for-managers'
import type { KnownHealth } from './health-reader.ts'

/** What the health report finds wrong with a worker and its status does not tell, from the gravest on, and what a page calls it. */
export const FINDINGS = {
  'no-next-slot': 'No next slot',
  'never-ran': 'Never ran',
  lost: 'Lost a run',
} as const

/** The code of a finding. */
export type FindingCode = keyof typeof FINDINGS

/** A worker as the pages show it: how it stands, and what the health report finds wrong with it besides. */
export interface JudgedWorker extends WorkerStatus {
  /** Left out when there is nothing. */
  readonly findings?: readonly Finding[]
}

type Finding = HealthReason & { readonly code: FindingCode }

/** The workers with what the health report finds wrong with each; without a report, as they are. */
export function judgeWorkers(workers: readonly WorkerStatus[], health: KnownHealth): readonly JudgedWorker[] {
  const found = Map.groupBy((health?.reasons ?? []).filter(isFinding), ({ worker }) => worker)
  if (found.size === 0) return workers
  return workers.map((worker) => {
    const findings = found.get(worker.name)
    return findings ? { ...worker, findings } : worker
  })
}

function isFinding(reason: HealthReason): reason is Finding {
  return Object.hasOwn(FINDINGS, reason.code)
}

/** What the list of workers can be narrowed to. */
export type WorkerFilter = 'attention' | Exclude<WorkerState, 'idle'> | 'failing' | FindingCode | 'overridden' | 'idle'

/** The filters in the order in which a page shows them, and what it calls them. */
export const FILTERS: Readonly<Record<WorkerFilter, string>> = {
  attention: 'Needs attention',
  running: 'Running',
  paused: 'Paused',
  stuck: 'Stuck',
  overdue: 'Overdue',
  failing: 'Failing',
  ...FINDINGS,
  'start-failed': 'Start failed',
  'no-handler': 'No handler',
  orphaned: 'Orphaned',
  overridden: 'Overridden',
  idle: 'Idle',
}

/** Whether a worker belongs to what a filter narrows to. */
export function matchesFilter(worker: JudgedWorker, filter: WorkerFilter): boolean {
  switch (filter) {
    case 'attention':
      return attentionOf(worker) !== undefined
    case 'failing':
      return isFailing(worker)
    case 'no-next-slot':
    case 'never-ran':
    case 'lost':
      return worker.findings?.some(({ code }) => code === filter) ?? false
    case 'overridden':
      return worker.schedule?.override !== undefined
    case 'paused':
      return worker.paused !== undefined
    case 'running':
    case 'stuck':
    case 'overdue':
    case 'start-failed':
    case 'no-handler':
    case 'orphaned':
    case 'idle':
      return worker.state === filter
    default:
      return filter satisfies never
  }
}

/** Why a worker needs somebody. */
export interface Attention {
  /** 0 is the gravest. */
  readonly rank: number
  readonly text: string
}

/** The gravest reason why a worker needs somebody, if there is any. */
export function attentionOf(worker: JudgedWorker): Attention | undefined {
  return attentionsOf(worker)[0]
}

/** What needs attention first comes first: nothing runs, then something goes wrong, then nobody is there for it. */
export function attentionsOf(worker: JudgedWorker): readonly Attention[] {
  const all = (worker.findings ?? []).map(({ code, message }) => ({ rank: FINDING_RANKS[code], text: message }))
  const ofState = attentionOfState(worker)
  if (ofState) all.push(ofState)
  return all.sort((one, other) => one.rank - other.rank)
}

const FINDING_RANKS: Readonly<Record<FindingCode, number>> = { 'no-next-slot': 3, 'never-ran': 4, lost: 6 }

function attentionOfState(worker: WorkerStatus): Attention | undefined {
  switch (worker.state) {
    case 'stuck':
      return { rank: 0, text: 'An aborted run does not end, and no other can start.' }
    case 'overdue':
      return { rank: 1, text: 'A slot is due and is not being decided.' }
    case 'start-failed':
      return { rank: 2, text: 'Its own start failed, so it gets no slots here.' }
    case 'no-handler':
      return { rank: 7, text: 'No live instance runs its queue.' }
    case 'orphaned':
      return { rank: 8, text: 'No instance declares it any more.' }
    case 'idle':
    case 'running':
    case 'paused':
      return isFailing(worker)
        ? { rank: 5, text: `${worker.consecutiveFailures} runs in a row have failed.` }
        : undefined
    default:
      return worker.state satisfies never
  }
}

function isFailing({ consecutiveFailures }: WorkerStatus): boolean {
  return consecutiveFailures >= FAILING_AFTER
}

/** Where a worker stands when sorted by state: what needs attention, then what runs, then what is paused, then the rest. */
export function stateRank(worker: JudgedWorker): number {
  return attentionOf(worker)?.rank ?? (worker.state === 'running' ? 10 : worker.state === 'paused' ? 11 : 12)
}
