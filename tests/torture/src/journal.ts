import { closeSync, openSync, readFileSync, readSync, readdirSync, statSync, writeSync } from 'node:fs'
import { availableParallelism, loadavg } from 'node:os'
import { join } from 'node:path'
import type { RunKind, RunRecord } from '@background-workers/abstractions'
import type { Fault } from './script.ts'

/** What is noted. `process` is a number of its own for each process that was ever started; 0 is the torturer. */
export type JournalEvent =
  // By the torturer.
  | { readonly event: 'spawned'; readonly seat: number; readonly release: number; readonly spawned: number }
  | { readonly event: 'exited'; readonly exited: number; readonly code: number | null; readonly signal: string | null }
  /** `fault-called-off`: there was no occasion for it, so nothing was broken. */
  | { readonly event: 'fault' | 'fault-over' | 'fault-called-off'; readonly index: number; readonly fault: Fault }
  | { readonly event: 'pausing' | 'resumed'; readonly worker: string; readonly pauseNumber: number }
  | { readonly event: 'emptying' }
  /** In the last second so many processes have waited for each processor. */
  | { readonly event: 'overload'; readonly load: number }
  // By a process of the application.
  | { readonly event: 'starting' | 'started' | 'stopping' | 'stopped' }
  | {
      readonly event: 'begin'
      readonly worker: string
      readonly runId: string
      readonly slot: number
      readonly kind: RunKind
      readonly attempt: number
    }
  | { readonly event: 'end'; readonly runId: string; readonly attempt: number }
  | { readonly event: 'abort'; readonly runId: string; readonly reason: string }
  | {
      readonly event: 'decision'
      readonly said: 'run-started' | 'run-finished' | 'run-skipped'
      readonly record: RunRecord
    }
  | { readonly event: 'repaired'; readonly message: string }
  | { readonly event: 'clock'; readonly offsetMs: number }
  | { readonly event: 'blocked'; readonly forMs: number }
  | { readonly event: 'log'; readonly level: 'warn' | 'error'; readonly text: string }
  // By both.
  /** A timer came so much later than asked: the process, or the machine, stood still. */
  | { readonly event: 'stall'; readonly ms: number }
  | { readonly event: 'problem'; readonly text: string }

/** What was noted, by which process, and when. */
export type JournalLine = JournalEvent & {
  readonly process: number
  /** True wall time in ms: the machine's monotonic clock plus what all processes of a run add to it. */
  readonly at: number
  /** What the process itself takes for the time; its clock may be shifted. */
  readonly wall: number
}

/** This machine's monotonic clock in ms: one for all its processes, and never shifted. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint() / 1_000n) / 1_000
}

/** The append-only file of one process. Each line is one write to the kernel, so a kill loses none that was begun. */
export class Journal {
  readonly folder: string
  readonly #file: number
  readonly #process: number
  readonly #anchorMs: number

  /** `anchorMs`: true wall time minus monotonic time. */
  constructor(folder: string, process: number, anchorMs: number) {
    this.folder = folder
    this.#file = openSync(join(folder, `${process}.jsonl`), 'a')
    this.#process = process
    this.#anchorMs = anchorMs
  }

  now(): number {
    return monotonicMs() + this.#anchorMs
  }

  write(event: JournalEvent): void {
    const line = { at: this.now(), wall: Date.now(), process: this.#process, ...event }
    writeSync(this.#file, `${JSON.stringify(line)}\n`)
  }

  /** Notes from now on when timers are late. They hold nothing up. Gives how to end it. */
  watchStalls(): () => void {
    const everyMs = 100
    let expectedAt = this.now() + everyMs
    const timer = setInterval(() => {
      const ms = this.now() - expectedAt
      if (ms > STALL_MS) this.write({ event: 'stall', ms })
      expectedAt = this.now() + everyMs
    }, everyMs)
    timer.unref()
    return () => clearInterval(timer)
  }

  /** Notes from now on each second in which the machine is overloaded. Gives how to end it. */
  watchLoad(loadPerProcessor = () => (loadavg()[0] as number) / availableParallelism()): () => void {
    const timer = setInterval(() => {
      const load = loadPerProcessor()
      if (load > OVERLOAD) this.write({ event: 'overload', load })
    }, 1_000)
    timer.unref()
    return () => clearInterval(timer)
  }

  close(): void {
    closeSync(this.#file)
  }
}

/** With so many processes that wait for each processor nothing can be on time. */
const OVERLOAD = 6

/** A timer that is this late is worth a note. */
const STALL_MS = 300

/** Everything that all processes have noted, oldest first. */
export function readJournals(folder: string): JournalLine[] {
  const files = readdirSync(folder).filter((name) => name.endsWith('.jsonl'))
  return files
    .flatMap((name) => parseJournal(readFileSync(join(folder, name), 'utf8')))
    .sort((one, other) => one.at - other.at)
}

/** Gives what was noted since the last call, or since this one, file by file. The journals of long runs take long to read whole. */
export function followJournals(folder: string): () => JournalLine[] {
  const filesIn = () => readdirSync(folder).filter((name) => name.endsWith('.jsonl'))
  const readUpTo = new Map(filesIn().map((name) => [name, statSync(join(folder, name)).size]))
  return () =>
    filesIn().flatMap((name) => {
      const from = readUpTo.get(name) ?? 0
      const text = readFrom(join(folder, name), from)
      const complete = text.slice(0, text.lastIndexOf('\n') + 1)
      readUpTo.set(name, from + Buffer.byteLength(complete))
      return parseJournal(complete)
    })
}

function readFrom(path: string, from: number): string {
  const file = openSync(path, 'r')
  try {
    const buffer = Buffer.alloc(Math.max(0, statSync(path).size - from))
    return buffer.toString('utf8', 0, readSync(file, buffer, 0, buffer.length, from))
  } finally {
    closeSync(file)
  }
}

/** The complete lines of a journal; a process that was killed may have begun another. */
function parseJournal(text: string): JournalLine[] {
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line, reviveDate) as JournalLine)
}

const DATES = new Set(['scheduledFor', 'startedAt', 'finishedAt'])

function reviveDate(key: string, value: unknown): unknown {
  return DATES.has(key) && typeof value === 'string' ? new Date(value) : value
}
