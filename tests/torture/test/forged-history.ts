import { type PeriodicWorkerPolicy, type RunRecord, type Schedule, every } from '@background-workers/abstractions'
import type { Body, FaultSpan, History, NonRun, ProcessLife } from '../src/history.ts'
import type { ManagerName } from '../src/managers.ts'
import { judge } from '../src/oracle.ts'
import type { FaultKind } from '../src/script.ts'
import type { TortureWorker } from '../src/workers.ts'

/** The period of the forged worker, in ms. */
export const PERIOD_MS = 2_000

const FROM = 1_800_000_000_000
const SLOTS = 60
const PROCESSES = [1, 2, 3]

type BodyChanges = Partial<Body> & Pick<Body, 'from' | 'to'> & { readonly instead?: true }

/** A history of one worker in which everything went well, to be changed so that it did not. */
export class ForgedHistory {
  /** The due time of a slot; the first one that is judged is number 1. */
  static slot(number: number): number {
    return FROM + number * PERIOD_MS
  }

  readonly worker = 'forged'
  readonly #manager: ManagerName
  #worker: TortureWorker = {
    name: this.worker,
    behaviour: 'quick',
    policy: {},
    declared: [SCHEDULE, SCHEDULE],
  }
  #bodies: Body[] = []
  #records: RunRecord[] = []
  #stored: RunRecord[] = []
  #nonRuns: NonRun[] = []
  #processes: ProcessLife[] = PROCESSES.map((number) => life(number, 0))
  readonly #faults: FaultSpan[] = []
  readonly #stalls: { process: number; from: number; to: number }[] = []
  readonly #pauses: { worker: string; from: number; to: number }[] = []
  readonly #emptiedAt: number[] = []
  readonly #problems: { at: number; text: string }[] = []

  constructor(manager: ManagerName) {
    this.#manager = manager
    for (let number = 1; number <= SLOTS + 40; number++) this.run(ForgedHistory.slot(number))
  }

  /** The slot runs, on time, in process 1, instead of what became of it before. */
  run(slot: number, changes: Partial<RunRecord> | { outcome: undefined } = {}): void {
    this.drop(slot)
    const record = {
      ...this.#record(slot, instanceOf(1)),
      startedAt: new Date(slot + 5),
      attempts: 1,
      outcome: 'succeeded',
      ...changes,
    } as RunRecord
    this.#records.push(record)
    this.#stored.push(record)
    this.body(slot, { from: slot + 10, to: slot + 60 })
    if (this.#manager === 'default') for (const other of [2, 3]) this.#skipElsewhere(slot, other)
  }

  /** It does not run. `too`: besides what became of it. */
  skip(slot: number, changes: Partial<RunRecord>, too?: 'too', at = slot + 10): void {
    if (too === undefined) this.drop(slot)
    const record = { ...this.#record(slot, instanceOf(1)), ...changes }
    this.#nonRuns.push({ record, at, process: 1 })
  }

  /** A start of `doWork`. `instead`: of those that were. */
  body(slot: number, { instead, ...changes }: BodyChanges): void {
    if (instead) {
      this.#bodies = this.#bodies.filter((body) => body.slot !== slot)
      this.#nonRuns = this.#nonRuns.filter(({ record }) => record.scheduledFor.getTime() !== slot)
      const startedAt = new Date(changes.from)
      this.#records = this.#records.filter(({ scheduledFor }) => scheduledFor.getTime() !== slot)
      const record = { ...this.#record(slot, instanceOf(1)), startedAt, attempts: 1, outcome: 'succeeded' as const }
      this.#records.push(record)
      this.#stored.push(record)
      if (this.#manager === 'default') for (const other of [2, 3]) this.#skipElsewhere(slot, other)
    }
    this.#bodies.push({
      worker: this.worker,
      runId: this.#runId(slot),
      kind: 'scheduled',
      slot,
      process: 1,
      ownFrom: changes.from,
      hasEnded: true,
      ...changes,
    })
  }

  /** Nothing is known of the slot. */
  drop(slot: number): void {
    const isOther = (record: RunRecord) => record.scheduledFor.getTime() !== slot
    this.#bodies = this.#bodies.filter((body) => body.slot !== slot)
    this.#records = this.#records.filter(isOther)
    this.#stored = this.#stored.filter(isOther)
    this.#nonRuns = this.#nonRuns.filter(({ record }) => isOther(record))
  }

  /** The store has no record of the slot. */
  unrecord(slot: number): void {
    this.#stored = this.#stored.filter(({ scheduledFor }) => scheduledFor.getTime() !== slot)
  }

  /** Process 1 is another one, in which only the others' decisions of the slot are known. */
  silence(process: number, slot: number): void {
    this.#bodies = this.#bodies.map((body) => (body.slot === slot ? { ...body, process: 2 } : body))
    this.#records = this.#records.map((record) =>
      record.scheduledFor.getTime() === slot ? { ...record, instanceId: instanceOf(2) } : record,
    )
    this.#nonRuns = this.#nonRuns.filter((nonRun) => {
      return nonRun.record.scheduledFor.getTime() !== slot || (nonRun.process !== process && nonRun.process !== 2)
    })
  }

  policy(policy: PeriodicWorkerPolicy): void {
    this.#worker = { ...this.#worker, policy }
  }

  /** Odd releases declare the worker so, or not at all. */
  declareOdd(schedule: Schedule | undefined): void {
    this.#worker = { ...this.#worker, declared: [SCHEDULE, schedule] }
  }

  /** From here on a process of the next release is up too. */
  deploy(at: number): void {
    this.#processes = [...this.#processes, { ...life(4, 1), spawnedAt: at, startedAt: at }]
  }

  /** All processes are stopped then, and others take their place. */
  replaceAll(stoppingAt: number, startedAt: number): void {
    const ended = PROCESSES.map((number) => ({ ...life(number, 0), stoppingAt, endedAt: stoppingAt + 100 }))
    const next = PROCESSES.map((number) => ({ ...life(number + 3, 0), spawnedAt: stoppingAt + 100, startedAt }))
    this.#processes = [...ended, ...next]
    const rename = <Record extends RunRecord>(record: Record): Record => {
      const process = PROCESSES.find((number) => record.instanceId === instanceOf(number)) ?? 0
      return record.scheduledFor.getTime() < startedAt ? record : { ...record, instanceId: instanceOf(process + 3) }
    }
    this.#records = this.#records.map(rename)
    this.#nonRuns = this.#nonRuns.map(({ record, ...rest }) => ({ ...rest, record: rename(record) }))
  }

  fault(kind: FaultKind, from: number, to: number, seats: readonly number[] = [], changes: { ms?: number } = {}): void {
    this.#faults.push({ fault: { kind, atMs: from - FROM, forMs: to - from, seats, ...changes }, from, to })
  }

  stall(process: number, from: number, to: number): void {
    this.#stalls.push({ process, from, to })
  }

  pause(from: number, to: number): void {
    this.#pauses.push({ worker: this.worker, from, to })
  }

  empty(at: number): void {
    this.#emptiedAt.push(at)
    this.fault('redis-empty', at, at)
  }

  problem(text: string): void {
    this.#problems.push({ at: FROM + 1_000, text })
  }

  history(): History {
    const toMs = ForgedHistory.slot(SLOTS)
    const endMs = ForgedHistory.slot(SLOTS + 40)
    return {
      manager: this.#manager,
      workers: [this.#worker],
      fromMs: FROM,
      toMs,
      endMs,
      processes: this.#processes,
      faults: this.#faults,
      stalls: this.#stalls,
      pauses: this.#pauses,
      emptiedAt: this.#emptiedAt,
      bodies: this.#bodies,
      nonRuns: this.#nonRuns,
      runRecords: this.#records,
      stored: this.#manager === 'bullmq' ? new Map(this.#stored.map((record) => [record.runId, record])) : undefined,
      instances: new Map([1, 2, 3, 4, 5, 6].map((number) => [instanceOf(number), number])),
      problems: this.#problems,
    }
  }

  #skipElsewhere(slot: number, process: number): void {
    const record = {
      ...this.#record(slot, instanceOf(process)),
      outcome: 'skipped' as const,
      reason: 'held-elsewhere' as const,
    }
    this.#nonRuns.push({ record, at: slot + 12, process })
  }

  #record(slot: number, instanceId: string): RunRecord {
    return {
      runId: this.#runId(slot),
      worker: this.worker,
      kind: 'scheduled',
      scheduledFor: new Date(slot),
      attempts: 0,
      instanceId,
    }
  }

  #runId(slot: number): string {
    return `${this.worker}.${slot}`
  }
}

const SCHEDULE = every(PERIOD_MS, { offset: 0 })

/** The slot that goes differently: far from the first and the last one. */
export const SLOT = ForgedHistory.slot(30)

/** What the oracle says of a history in which `change` went differently: the kinds of violations, each once. */
export function kindsOf(change: (history: ForgedHistory) => void, manager: ManagerName = 'bullmq'): string[] {
  const forged = new ForgedHistory(manager)
  change(forged)
  return [...new Set(judge(forged.history()).violations.map(({ kind }) => kind))]
}

function instanceOf(process: number): string {
  return `instance-${process}`
}

function life(number: number, release: number): ProcessLife {
  return {
    number,
    seat: number - 1,
    release,
    spawnedAt: FROM - 1_000,
    startedAt: FROM,
    stoppingAt: undefined,
    endedAt: ForgedHistory.slot(SLOTS + 40),
    isGraceful: true,
  }
}
