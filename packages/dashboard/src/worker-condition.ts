import type { WorkerState, WorkerStatus } from '@background-workers/abstractions'
import { FAILING_AFTER } from '@background-workers/abstractions/for-managers'

/** What the list of workers can be narrowed to. */
export type WorkerFilter = 'attention' | Exclude<WorkerState, 'idle'> | 'failing' | 'overridden' | 'idle'

/** The filters in the order in which a page shows them, and what it calls them. */
export const FILTERS: Readonly<Record<WorkerFilter, string>> = {
  attention: 'Needs attention',
  running: 'Running',
  paused: 'Paused',
  stuck: 'Stuck',
  overdue: 'Overdue',
  failing: 'Failing',
  'start-failed': 'Start failed',
  'no-handler': 'No handler',
  orphaned: 'Orphaned',
  overridden: 'Overridden',
  idle: 'Idle',
}

/** Whether a worker belongs to what a filter narrows to. */
export function matchesFilter(worker: WorkerStatus, filter: WorkerFilter): boolean {
  switch (filter) {
    case 'attention':
      return attentionOf(worker) !== undefined
    case 'failing':
      return isFailing(worker)
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

/** Why a worker needs somebody, the gravest reason only. */
export interface Attention {
  /** 0 is the gravest. */
  readonly rank: number
  readonly text: string
}

/** What needs attention first comes first: nothing runs, then something goes wrong, then nobody is there for it. */
export function attentionOf(worker: WorkerStatus): Attention | undefined {
  switch (worker.state) {
    case 'stuck':
      return { rank: 0, text: 'An aborted run does not end, and no other can start.' }
    case 'overdue':
      return { rank: 1, text: 'A slot is due and is not being decided.' }
    case 'start-failed':
      return { rank: 2, text: 'Its own start failed, so it gets no slots here.' }
    case 'no-handler':
      return { rank: 4, text: 'No live instance runs its queue.' }
    case 'orphaned':
      return { rank: 5, text: 'No instance declares it any more.' }
    case 'idle':
    case 'running':
    case 'paused':
      return isFailing(worker)
        ? { rank: 3, text: `${worker.consecutiveFailures} runs in a row have failed.` }
        : undefined
    default:
      return worker.state satisfies never
  }
}

function isFailing({ consecutiveFailures }: WorkerStatus): boolean {
  return consecutiveFailures >= FAILING_AFTER
}

/** Where a worker stands when sorted by state: what needs attention, then what runs, then what is paused, then the rest. */
export function stateRank(worker: WorkerStatus): number {
  return attentionOf(worker)?.rank ?? (worker.state === 'running' ? 10 : worker.state === 'paused' ? 11 : 12)
}
