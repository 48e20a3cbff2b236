import type { RunKind, RunRecord } from '@background-workers/abstractions'
import { isSlotRun } from '@background-workers/abstractions/for-managers'
import type { JournalLine } from './journal.ts'
import type { ManagerName } from './managers.ts'
import type { Fault } from './script.ts'
import { type TortureWorker, WORKERS } from './workers.ts'

/** What happened in a run of the torture test, put together from the journals and the records. All times in true wall ms. */
export interface History {
  readonly manager: ManagerName
  readonly workers: readonly TortureWorker[]
  /** Slots after `fromMs` and up to `toMs` are judged. */
  readonly fromMs: number
  readonly toMs: number
  /** What is still going on then ends here. */
  readonly endMs: number
  readonly processes: readonly ProcessLife[]
  readonly faults: readonly FaultSpan[]
  /** Times in which a process stood still, or the machine was overloaded. */
  readonly stalls: readonly (Span & { readonly process: number })[]
  readonly pauses: readonly (Span & { readonly worker: string })[]
  /** When Redis was emptied. */
  readonly emptiedAt: readonly number[]
  readonly bodies: readonly Body[]
  readonly nonRuns: readonly NonRun[]
  /** Records of runs, from events and from the store. */
  readonly runRecords: readonly RunRecord[]
  /** The ids of all records in the store, where there is one. */
  readonly stored: ReadonlyMap<string, RunRecord> | undefined
  /** Which process an instance is. */
  readonly instances: ReadonlyMap<string, number>
  readonly problems: readonly { readonly at: number; readonly text: string }[]
}

/** A stretch of true wall time, in ms since the epoch. */
export interface Span {
  readonly from: number
  readonly to: number
}

/** A fault from its begin until it was undone. */
export interface FaultSpan extends Span {
  readonly fault: Fault
}

/** One process of the application. */
export interface ProcessLife {
  readonly number: number
  readonly seat: number
  readonly release: number
  readonly spawnedAt: number
  readonly startedAt: number | undefined
  readonly stoppingAt: number | undefined
  readonly endedAt: number
  /** It ended because it was told to. */
  readonly isGraceful: boolean
}

/** One start of `doWork`, with its retries, from the first begin to the last end, or to the death of its process. */
export interface Body extends Span {
  readonly worker: string
  readonly runId: string
  readonly kind: RunKind
  /** None for manual runs. */
  readonly slot: number | undefined
  readonly process: number
  /** When it began by the clock of its process, which may be shifted. */
  readonly ownFrom: number
  readonly abort?: { readonly at: number; readonly reason: string }
  /** Its end was noted. */
  readonly hasEnded: boolean
}

/** A slot that did not run. */
export interface NonRun {
  readonly record: RunRecord
  readonly at: number
  /** None when only the store knows of it. */
  readonly process: number | undefined
}

/** What a history is read from. */
export interface HistoryParts {
  readonly manager: ManagerName
  readonly lines: readonly JournalLine[]
  readonly stored: readonly RunRecord[] | undefined
  readonly toMs: number
}

/** Puts a history together. */
export function readHistory({ manager, lines, stored, toMs }: HistoryParts): History {
  const endMs = lines.at(-1)?.at ?? toMs
  const processes = readProcesses(lines, endMs)
  const bodies = readBodies(lines, processes)
  const events = lines.flatMap((line) => (line.event === 'decision' ? [line] : []))
  const skipped = events.filter(({ said }) => said === 'run-skipped')
  const skippedIds = new Set(skipped.map(({ record }) => record.runId))
  const nonRuns: NonRun[] = skipped.map(({ record, at, process }) => ({ record, at, process }))
  const runRecords = new Map(
    events.flatMap(({ said, record }) => (said === 'run-skipped' ? [] : [[record.runId, record]])),
  )
  for (const record of stored ?? []) {
    const isNonRun = record.outcome === 'skipped' || record.outcome === 'missed'
    if (!isNonRun) runRecords.set(record.runId, record)
    else if (!skippedIds.has(record.runId)) {
      nonRuns.push({ record, at: (record.finishedAt ?? record.scheduledFor).getTime(), process: undefined })
    }
  }
  const calledOff = new Set(lines.flatMap((line) => (line.event === 'fault-called-off' ? [line.index] : [])))
  return {
    manager,
    workers: WORKERS,
    // The script counts from when all have started, too.
    fromMs: Math.max(...firstOfSeats(processes).flatMap(({ startedAt }) => startedAt ?? [])),
    toMs,
    endMs,
    processes,
    faults: readSpans(lines, 'fault', 'fault-over', ({ index }) => index, endMs)
      .filter(([{ index }]) => !calledOff.has(index))
      .map(([{ fault }, span]) => ({ fault, ...span })),
    stalls: lines.flatMap((line) => {
      const ms = line.event === 'stall' ? line.ms : line.event === 'overload' ? 1_000 : undefined
      return ms === undefined ? [] : [{ process: line.process, from: line.at - ms, to: line.at }]
    }),
    pauses: readSpans(lines, 'pausing', 'resumed', ({ pauseNumber }) => pauseNumber, endMs).map(
      ([{ worker }, span]) => ({ worker, ...span }),
    ),
    emptiedAt: lines.flatMap((line) => (line.event === 'emptying' ? [line.at] : [])),
    bodies,
    nonRuns,
    runRecords: [...runRecords.values()],
    stored: stored && new Map(stored.map((record) => [record.runId, record])),
    // What an instance finds lost it tells of with the record of the other.
    instances: new Map(
      events
        .filter(({ record }) => record.outcome !== 'lost')
        .map(({ record, process }) => [record.instanceId, process]),
    ),
    problems: lines.flatMap((line) => (line.event === 'problem' ? [{ at: line.at, text: line.text }] : [])),
  }
}

type LineOf<Event extends JournalLine['event']> = Extract<JournalLine, { event: Event }>

function readSpans<From extends JournalLine['event'], To extends JournalLine['event']>(
  lines: readonly JournalLine[],
  from: From,
  to: To,
  keyOf: (line: LineOf<From> | LineOf<To>) => unknown,
  endMs: number,
): [LineOf<From>, Span][] {
  const ends = new Map(
    lines.flatMap((line) => (line.event === to ? [[keyOf(line as LineOf<To>), line.at] as const] : [])),
  )
  return lines.flatMap((line) => {
    if (line.event !== from) return []
    const begun = line as LineOf<From>
    return [[begun, { from: line.at, to: ends.get(keyOf(begun)) ?? endMs }] as [LineOf<From>, Span]]
  })
}

function readProcesses(lines: readonly JournalLine[], endMs: number): ProcessLife[] {
  const first = (event: JournalLine['event'], process: number) =>
    lines.find((line) => line.event === event && line.process === process)?.at
  return lines.flatMap((line) => {
    if (line.event !== 'spawned') return []
    const { spawned: number, seat, release, at: spawnedAt } = line
    const exit = lines.find((other) => other.event === 'exited' && other.exited === number)
    const stoppingAt = first('stopping', number)
    return [
      {
        number,
        seat,
        release,
        spawnedAt,
        startedAt: first('started', number),
        stoppingAt,
        endedAt: exit?.at ?? endMs,
        isGraceful: first('stopped', number) !== undefined,
      },
    ]
  })
}

function firstOfSeats(processes: readonly ProcessLife[]): ProcessLife[] {
  return [...Map.groupBy(processes, ({ seat }) => seat).values()].flatMap(([first]) => first ?? [])
}

function readBodies(lines: readonly JournalLine[], processes: readonly ProcessLife[]): Body[] {
  const endOf = new Map(processes.map(({ number, endedAt }) => [number, endedAt]))
  const bodies: Body[] = []
  const open = new Map<string, number>()
  for (const line of lines) {
    if (line.event !== 'begin' && line.event !== 'end' && line.event !== 'abort') continue
    const key = `${line.process} ${line.runId}`
    const index = open.get(key)
    const body = index === undefined ? undefined : bodies[index]
    if (line.event === 'begin') {
      if (line.attempt > 1 && index !== undefined && body) {
        bodies[index] = { ...body, to: endOf.get(line.process) ?? line.at, hasEnded: false }
        continue
      }
      const { worker, runId, kind, process } = line
      const slot = isSlotRun(line) ? line.slot : undefined
      open.set(key, bodies.length)
      bodies.push({
        worker,
        runId,
        kind,
        slot,
        process,
        from: line.at,
        ownFrom: line.wall,
        to: endOf.get(process) ?? line.at,
        hasEnded: false,
      })
    } else if (index !== undefined && body) {
      bodies[index] =
        line.event === 'end'
          ? { ...body, to: line.at, hasEnded: true }
          : { ...body, abort: body.abort ?? { at: line.at, reason: line.reason } }
    }
  }
  return bodies
}
