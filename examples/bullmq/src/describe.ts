import type { RunRecord, Schedule, WorkerStatus } from '@background-workers/abstractions'
import type { LedgerEntry } from './ledger.ts'

/** `12:00:01.250 order-sync    on a` */
export function describeEntry({ slot, worker, instance, missedSlots }: LedgerEntry): string {
  return `${timeOf(new Date(slot))}  ${worker.padEnd(14)}on ${instance}${describeMissed(missedSlots)}`
}

/** `heartbeat     every 2 s, overridden by the story: every 3 s` */
export function describeWorker({ name, schedule, paused }: WorkerStatus): string {
  const override = schedule?.override
  return [
    name.padEnd(14),
    schedule ? describeSchedule(schedule.declared) : '',
    override ? `, overridden by ${override.by}: ${describeSchedule(override.schedule)}` : '',
    paused ? `, paused by ${paused.by}: ${paused.note}` : '',
  ].join('')
}

/** `every 2 s` */
export function describeSchedule(schedule: Schedule): string {
  return schedule.kind === 'every' ? `every ${schedule.periodMs / 1_000} s` : `cron ${schedule.expression}`
}

/** `12:00:10.000  stock-report  succeeded (catch-up), 1.7 s late` */
export function describeRecord({ worker, scheduledFor, kind, outcome, lateByMs = 0, missedSlots }: RunRecord): string {
  return [
    `${timeOf(scheduledFor)}  ${worker.padEnd(14)}${outcome ?? 'running'}`,
    kind === 'catch-up' && outcome !== 'missed' ? ' (catch-up)' : '',
    `, ${seconds(lateByMs)} late`,
    describeMissed(missedSlots),
  ].join('')
}

/** For how many earlier slots it stands, if for any. */
export function describeMissed(missedSlots = 0): string {
  return missedSlots > 0 ? ` with missedSlots ${missedSlots}` : ''
}

/** `1.7 s` */
export function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`
}

/** `12:00:01.250` */
export function timeOf(date: Date): string {
  return date.toISOString().slice(11, 23)
}
