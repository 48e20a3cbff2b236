import type { JournalLine } from './journal.ts'
import type { Verdict } from './oracle.ts'
import { type Fault, type Script, printScript } from './script.ts'
import type { Violation } from './worker-case.ts'

/** What a run came to, as plain data. */
export interface Summary {
  readonly seed: number
  readonly manager: string
  readonly minutes: number
  readonly faults: number
  readonly kinds: number
  readonly slotsPerWorker: { readonly least: number; readonly median: number }
  readonly slots: number
  readonly runs: number
  readonly skipped: number
  readonly missed: number
  readonly notOwed: number
  /** Slots that had to be on time, as no fault excused them, and how many of them were missed barely. */
  readonly heldToTime: number
  readonly barelyMissed: number
  readonly ranTwice: number
  readonly undecided: number
  readonly violations: number
  readonly leaseOverlaps: number
  readonly longestLeaseOverlapMs: number
  readonly slowestAbortMs: number
  readonly longestSilenceMs: number
  /** How often everything was on time again before the next fault came. */
  readonly recoveries: number
  /** The longest of them, from the end of the last fault until each worker had had a slot decided on time. */
  readonly longestRecoveryMs: number
}

/** `faults`: those that were carried out. */
export function summarize(script: Script, manager: string, faults: readonly Fault[], verdict: Verdict): Summary {
  const { figures, violations, leaseOverlaps, recoveries } = verdict
  // A worker that only some releases have is no measure.
  const slots = figures
    .filter(({ worker }) => worker !== 'newcomer' && worker !== 'changing')
    .map((figure) => figure.slots)
    .sort((one, other) => one - other)
  const sum = (of: (figure: (typeof figures)[number]) => number) =>
    figures.reduce((total, figure) => total + of(figure), 0)
  const count = (kind: Violation['kind']) => violations.filter((violation) => violation.kind === kind).length
  return {
    seed: script.seed,
    manager,
    minutes: script.minutes,
    faults: faults.length,
    kinds: new Set(faults.map(({ kind }) => kind)).size,
    slotsPerWorker: { least: slots[0] ?? 0, median: slots[Math.floor(slots.length / 2)] ?? 0 },
    slots: sum((figure) => figure.slots),
    runs: sum((figure) => figure.runs),
    skipped: sum((figure) => figure.skipped),
    missed: sum((figure) => figure.missed),
    notOwed: sum((figure) => figure.notOwed),
    heldToTime: sum((figure) => figure.heldToTime),
    barelyMissed: sum((figure) => figure.barelyMissed),
    ranTwice: count('ran-twice'),
    undecided: count('undecided'),
    violations: violations.length,
    leaseOverlaps: leaseOverlaps.length,
    longestLeaseOverlapMs: Math.round(Math.max(0, ...leaseOverlaps.map(({ overlapMs }) => overlapMs))),
    slowestAbortMs: Math.round(Math.max(0, ...leaseOverlaps.map(({ reactedAfterMs }) => reactedAfterMs))),
    longestSilenceMs: Math.round(Math.max(...figures.map((figure) => figure.longestSilenceMs))),
    recoveries: recoveries.length,
    longestRecoveryMs: Math.round(Math.max(0, ...recoveries.map(({ tookMs }) => tookMs))),
  }
}

/** A row of the figures in docs/reliability.md. */
export function printRow(summary: Summary): string {
  const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`
  const { slotsPerWorker, recoveries, longestRecoveryMs } = summary
  const cells = [
    summary.manager,
    summary.seed,
    summary.minutes,
    `${summary.faults} (${summary.kinds})`,
    `${slotsPerWorker.least} / ${slotsPerWorker.median}`,
    summary.slots,
    summary.heldToTime,
    summary.runs,
    summary.skipped,
    summary.missed,
    summary.ranTwice,
    summary.undecided,
    summary.violations,
    summary.leaseOverlaps,
    seconds(summary.longestLeaseOverlapMs),
    seconds(summary.slowestAbortMs),
    seconds(summary.longestSilenceMs),
    `${seconds(longestRecoveryMs)} (${recoveries})`,
  ]
  return `| ${cells.join(' | ')} |`
}

/** The violations of a run, each with what happened around it, after the script that led there. */
export function printViolations(script: Script, { violations }: Verdict, lines: readonly JournalLine[]): string {
  const shown = violations.slice(0, SHOWN).map((violation) => {
    return `${violation.kind}: ${violation.message}\n${printTimeline(violation, lines)}`
  })
  const more = violations.length > SHOWN ? [`and ${violations.length - SHOWN} more violations`] : []
  return [printScript(script), `${violations.length} violations:`, ...shown, ...more].join('\n\n')
}

const SHOWN = 10

/** What was noted of the worker, and of everything, around the violation. */
function printTimeline({ worker, at }: Violation, lines: readonly JournalLine[]): string {
  return lines
    .filter((line) => line.at >= at - BEFORE_MS && line.at <= at + AFTER_MS && concerns(line, worker))
    .map((line) => {
      const { at: lineAt, wall: _wall, process, event, ...rest } = line
      const ms = Math.round(lineAt - at)
      return `  ${ms >= 0 ? '+' : ''}${ms} ms  process ${process}  ${event}  ${shorten(rest)}`
    })
    .join('\n')
}

const BEFORE_MS = 5_000
const AFTER_MS = 8_000

function concerns(line: JournalLine, worker: string | undefined): boolean {
  if (line.event === 'decision') return line.record.worker === worker
  if (line.event === 'begin') return line.worker === worker
  if (line.event === 'end' || line.event === 'abort') return line.runId.startsWith(`${worker}.`)
  return true
}

function shorten(rest: object): string {
  return JSON.stringify(rest, (key, value: unknown) => (key === 'stack' ? undefined : value)).slice(0, 400)
}
