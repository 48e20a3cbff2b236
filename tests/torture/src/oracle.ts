import { type LeaseOverlap, declarations, disturbancesOf, heldUp } from './allowances.ts'
import type { History } from './history.ts'
import { judgeDecisions } from './judge-decisions.ts'
import { judgeOverlaps, judgeRecords, judgeStarts } from './judge-runs.ts'
import { judgeProcesses, judgeSlots } from './judge-slots.ts'
import { type Recovery, recoveriesOf } from './recovery.ts'
import { type SlotFacts, gatherSlots, hasRun, isSkipped } from './slot-facts.ts'
import type { Violation, WorkerCase } from './worker-case.ts'
import { type Rhythm, type TortureWorker, declaredBy, rhythmOf } from './workers.ts'

/** What a worker came to. */
interface WorkerFigures {
  readonly worker: string
  readonly slots: number
  readonly runs: number
  readonly skipped: number
  /** Missed with a record of its own, or counted by a later one. */
  readonly missed: number
  /** Not owed: paused, forgotten with an emptied Redis, or between two releases. */
  readonly notOwed: number
  /** Owed, and nothing would have excused it if it had been late. */
  readonly heldToTime: number
  /** Of those: missed, and that within 1.5 s. */
  readonly barelyMissed: number
  /** The longest time without a slot that was decided on time, while slots were owed. */
  readonly longestSilenceMs: number
}

/** What the oracle says of a history. */
export interface Verdict {
  readonly violations: readonly Violation[]
  readonly leaseOverlaps: readonly LeaseOverlap[]
  readonly recoveries: readonly Recovery[]
  readonly figures: readonly WorkerFigures[]
}

/** Judges a history by what is promised. Pure. */
export function judge(history: History): Verdict {
  const judged = history.workers.map((worker) => judgeWorker(worker, history))
  const problems = history.problems.map(({ at, text }): Violation => {
    return { kind: 'problem', worker: undefined, at, message: text }
  })
  return {
    violations: [...problems, ...judged.flatMap(({ violations }) => violations)].sort((a, b) => a.at - b.at),
    leaseOverlaps: judged.flatMap(({ leaseOverlaps }) => leaseOverlaps),
    recoveries: recoveriesOf(
      history,
      judged.flatMap(({ timely }) => timely),
    ),
    figures: judged.map(({ figures }) => figures),
  }
}

function judgeWorker(worker: TortureWorker, history: History) {
  const bodies = history.bodies
    .filter((body) => body.worker === worker.name)
    .sort((one, other) => one.from - other.from)
  const rhythms = declarations(worker).map(({ isOdd }) => ({ isOdd, rhythm: rhythmFor(worker, isOdd) }))
  const periodMs = Math.max(...rhythms.map(({ rhythm }) => rhythm.periodMs))
  const disturbances = disturbancesOf(history, periodMs)
  const workerCase: WorkerCase = {
    worker,
    history,
    bodies,
    slots: gatherSlots(
      worker,
      history,
      bodies,
      rhythms.map(({ rhythm }) => rhythm),
    ),
    disturbances,
    heldUp: heldUp(disturbances),
  }
  const { leaseOverlaps, overlaps } = judgeOverlaps(workerCase)
  const slots = rhythms.map(({ isOdd, rhythm }) => judgeSlots(workerCase, rhythm, isOdd))
  return {
    leaseOverlaps,
    timely: slots.map(({ timely }) => ({ worker: worker.name, timely })),
    violations: [
      ...overlaps,
      ...slots.flatMap(({ violations }) => violations),
      ...judgeProcesses(workerCase),
      ...judgeDecisions(workerCase),
      ...judgeStarts(workerCase),
      ...judgeRecords(workerCase, periodMs),
    ],
    figures: {
      worker: worker.name,
      slots: sum(slots.map(({ owed }) => owed)),
      runs: bodies.filter(({ slot, from }) => (slot ?? from) <= history.toMs).length,
      skipped: countSlots(
        workerCase,
        (facts) => !hasRun(facts) && facts.nonRuns.some(({ record }) => isSkipped(record)),
      ),
      missed: countSlots(
        workerCase,
        (facts) => !hasRun(facts) && !facts.nonRuns.some(({ record }) => isSkipped(record)),
      ),
      notOwed: sum(slots.map(({ notOwed }) => notOwed)),
      heldToTime: sum(slots.map(({ heldToTime }) => heldToTime)),
      barelyMissed: sum(slots.map(({ barelyMissed }) => barelyMissed)),
      longestSilenceMs: Math.max(0, ...slots.map(({ longestSilenceMs }) => longestSilenceMs)),
    },
  }
}

function rhythmFor(worker: TortureWorker, isOdd: boolean): Rhythm {
  const schedule = declaredBy(isOdd ? 1 : 0, worker)
  if (!schedule) throw new Error(`Worker ${worker.name} is not declared.`)
  return rhythmOf(schedule, worker.name)
}

function countSlots({ slots, history }: WorkerCase, isIt: (facts: SlotFacts) => boolean): number {
  return [...slots].filter(([slot, facts]) => slot > history.fromMs && slot <= history.toMs && isIt(facts)).length
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
