import { type RunRecord, type WorkerStatus, nextDueAt } from '@background-workers/abstractions'
import { describeMissed, describeSchedule, seconds } from './describe.ts'
import type { LedgerEntry } from './ledger.ts'
import type { WebInstance } from './web-instance.ts'

/** What has happened, as the ledger and the manager's records tell it. */
export async function summarize({ manager, ledger }: WebInstance): Promise<string[]> {
  const entries = await ledger.entries()
  const rows: Record<string, string> = {
    'runs in the ledger': `${entries.length}, slots that ran twice: ${repeatedSlots(entries).length}`,
    'runs on a and b': `${countOn('a', entries)} and ${countOn('b', entries)}`,
  }
  for (const worker of await manager.list()) {
    const records = await manager.runs(worker.name)
    rows[worker.name] = [
      ...describeCounts(records),
      ...describeCatchUps(records),
      ...describeSlots(worker, records),
      ...describeControls(worker),
    ].join(', ')
  }
  return Object.entries(rows).map(([title, text]) => `${title.padEnd(20)}${text}`)
}

/** The slots that are in the ledger more than once. */
export function repeatedSlots(entries: readonly LedgerEntry[]): string[] {
  const slots = entries.map(({ worker, slot }) => `${worker} at ${slot}`)
  return slots.filter((slot, index) => slots.indexOf(slot) !== index)
}

function countOn(name: string, entries: readonly LedgerEntry[]): number {
  return entries.filter(({ instance }) => instance === name).length
}

/** `12 succeeded`, `1 missed`: each outcome that there is. */
function describeCounts(records: readonly RunRecord[]): string[] {
  const counts = new Map<string, number>()
  for (const { outcome = 'running' } of records) counts.set(outcome, (counts.get(outcome) ?? 0) + 1)
  return [...counts].map(([outcome, count]) => `${count} ${outcome}`).sort()
}

function describeCatchUps(records: readonly RunRecord[]): string[] {
  return records
    .filter(({ kind, outcome }) => kind === 'catch-up' && outcome === 'succeeded')
    .map(({ missedSlots, lateByMs = 0 }) => `1 of them ${seconds(lateByMs)} late${describeMissed(missedSlots)}`)
}

/**
 * Whether each slot from the first record to the last has one decision: a record of its own, or a later one that counts
 * it as missed. Of workers whose slots nobody has changed at run time.
 */
function describeSlots({ name, schedule, paused }: WorkerStatus, records: readonly RunRecord[]): string[] {
  const first = records.at(-1)?.scheduledFor
  // A slot that was skipped may have met a run that has not started yet.
  const last = records.find(({ outcome }) => outcome !== 'skipped')?.scheduledFor
  if (!schedule || schedule.override || paused || !first || !last) return []
  const slots: number[] = []
  for (
    let at: number | undefined = +first;
    at !== undefined && at <= +last;
    at = nextDueAt(schedule.declared, at, name)
  ) {
    slots.push(at)
  }
  const decided = records.flatMap(({ scheduledFor, missedSlots = 0 }) => {
    const position = slots.indexOf(+scheduledFor)
    return slots.slice(Math.max(0, position - missedSlots), position + 1)
  })
  const never = slots.filter((slot) => !decided.includes(slot)).length
  return [`slots: ${slots.length}, decided twice: ${decided.length - new Set(decided).size}, never: ${never}`]
}

/** What was changed at run time. */
function describeControls({ paused, schedule }: WorkerStatus): string[] {
  const override = schedule?.override
  return [
    ...(paused ? [`still paused by ${paused.by}`] : []),
    ...(override ? [`still ${describeSchedule(override.schedule)} by ${override.by}`] : []),
  ]
}
