import type { HealthReason, WorkerState, WorkerStatus } from '@background-workers/abstractions'
import { FAILING_AFTER } from '@background-workers/abstractions/for-managers'
import type { KnownHealth } from './health-reader.ts'

/** What the health report can find wrong with a worker besides failures, from the gravest on, and what a page calls it. */
export const FINDINGS = {
  stuck: 'Stuck',
  overdue: 'Overdue',
  'start-failed': 'Start failed',
  'no-next-slot': 'No next slot',
  'never-ran': 'Never ran',
  lost: 'Lost a run',
  'no-handler': 'No handler',
  orphaned: 'Orphaned',
} as const

/** The code of a finding. */
export type FindingCode = keyof typeof FINDINGS

/** A worker as the pages show it: its state, and what the health report finds wrong with it that this does not tell. */
export interface JudgedWorker extends WorkerStatus {
  /** Left out when there is nothing. */
  readonly findings?: readonly Finding[]
}

type Finding = HealthReason & { readonly code: FindingCode }

/** The workers with what the health report finds wrong with each; without a report, as they are. */
export function judgeWorkers(workers: readonly WorkerStatus[], health: KnownHealth): readonly JudgedWorker[] {
  const findings = (health?.reasons ?? []).filter(isFinding).map(withoutError)
  const found = Map.groupBy(findings, ({ worker }) => worker)
  if (found.size === 0) return workers
  return workers.map((worker) => {
    const findings = found.get(worker.name)?.filter(({ code }) => code !== worker.state) ?? []
    return findings.length > 0 ? { ...worker, findings } : worker
  })
}

/** The message of a failed start holds that of an error, which may be kept from operators. */
function withoutError(finding: Finding): Finding {
  return finding.code === 'start-failed' ? { ...finding, message: STATE_TEXTS[finding.code] } : finding
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
  failing: 'Failing',
  ...FINDINGS,
  overridden: 'Overridden',
  idle: 'Idle',
}

/** Whether a worker belongs to what a filter narrows to. */
export function matchesFilter(worker: JudgedWorker, filter: WorkerFilter): boolean {
  switch (filter) {
    case 'attention':
      return attentionOf(worker) !== undefined
    case 'failing':
      return worker.consecutiveFailures >= FAILING_AFTER
    case 'overridden':
      return worker.schedule?.override !== undefined
    case 'paused':
      return worker.paused !== undefined
    case 'running':
      // A stuck run is active, too.
      return worker.activeRun !== undefined
    case 'idle':
      return worker.state === 'idle'
    case 'stuck':
    case 'overdue':
    case 'start-failed':
    case 'no-next-slot':
    case 'never-ran':
    case 'lost':
    case 'no-handler':
    case 'orphaned':
      return worker.state === filter || (worker.findings?.some(({ code }) => code === filter) ?? false)
    default:
      return filter satisfies never
  }
}

/** Why a worker needs somebody. */
export interface Attention {
  readonly code: AttentionCode
  readonly text: string
}

/** The code of a reason. */
export type AttentionCode = FindingCode | 'failing'

/** The gravest reason why a worker needs somebody, if there is any. */
export function attentionOf(worker: JudgedWorker): Attention | undefined {
  return attentionsOf(worker)[0]
}

/** What needs attention first comes first: nothing runs, then something goes wrong, then nobody is there for it. */
export function attentionsOf({ state, findings = [], consecutiveFailures }: JudgedWorker): readonly Attention[] {
  const all: Attention[] = findings.map(({ code, message }) => ({ code, text: message }))
  if (state !== 'idle' && state !== 'running' && state !== 'paused') all.push({ code: state, text: STATE_TEXTS[state] })
  if (consecutiveFailures >= FAILING_AFTER) {
    all.push({ code: 'failing', text: `${consecutiveFailures} runs in a row have failed.` })
  }
  return all.sort((one, other) => attentionRank(one) - attentionRank(other))
}

/** 0 is the gravest. */
export function attentionRank({ code }: Attention): number {
  return RANKS[code]
}

const RANKS: Readonly<Record<AttentionCode, number>> = {
  stuck: 0,
  overdue: 1,
  'start-failed': 2,
  'no-next-slot': 3,
  'never-ran': 4,
  failing: 5,
  lost: 6,
  'no-handler': 7,
  orphaned: 8,
}

const STATE_TEXTS: Readonly<Record<Exclude<WorkerState, 'idle' | 'running' | 'paused'>, string>> = {
  stuck: 'An aborted run does not end, and no other can start.',
  overdue: 'A slot is due and is not being decided.',
  'start-failed': 'Its own start failed, so it does not run here.',
  'no-handler': 'No live instance runs its queue.',
  orphaned: 'No instance of the release in force declares it.',
}

/** Where a worker stands when sorted by state: what needs attention, then what runs, then what is paused, then the rest. */
export function stateRank(worker: JudgedWorker): number {
  const attention = attentionOf(worker)
  if (attention) return attentionRank(attention)
  return worker.state === 'running' ? 10 : worker.state === 'paused' ? 11 : 12
}
