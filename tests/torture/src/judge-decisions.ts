import { RECOVERY_MS, clockSetBack, declarations, disturbing, isIn, notInForce, recordForgotten } from './allowances.ts'
import type { History, NonRun } from './history.ts'
import { TAKE_OVER_MS } from './script.ts'
import { type SlotFacts, beginsOf, factsIn, hasRun } from './slot-facts.ts'
import { type Violation, type WorkerCase, violation } from './worker-case.ts'

/** Nothing is decided twice: in the cluster, or, where the manager keeps no records in a store, in a process. */
export function judgeDecisions(workerCase: WorkerCase): Violation[] {
  const { worker, slots, history, bodies, heldUp: held } = workerCase
  const violations: Violation[] = []
  const elsewhere = declarations(worker).flatMap(({ isOdd }) => notInForce(history, worker, isOdd))
  for (const [slot, facts] of slots) {
    if (slot <= history.fromMs || slot > history.toMs) continue
    for (const { words, process } of decisionsOf(workerCase, facts)) {
      if (words.length <= 1 || (process !== undefined && clockSetBack(history, process, slot))) continue
      violations.push(violation(worker, 'decided-twice', slot, `slot ${slot} is decided twice: ${words.join('; ')}`))
    }
    for (const { record, at } of facts.nonRuns) {
      const isForRun = record.reason === 'overlap' || (record.reason === 'held-elsewhere' && !hasRun(facts))
      // A run of a worker that is no longer here, or not yet, is handed back.
      if (!isForRun || isIn(elsewhere, slot)) continue
      if (bodies.some((body) => body.from <= at + ACTIVE_SLACK_MS && body.to >= slot - ACTIVE_SLACK_MS)) continue
      const lastSign = lastSignOf(workerCase, record.blockedBy, slot)
      const isOfGoneRun = slot - heldUntil(history, lastSign) <= TAKE_OVER_MS + RECOVERY_MS
      if (isOfGoneRun && (isIn(held, at) || isIn(held, slot))) continue
      const message = `slot ${slot} was skipped for ${record.blockedBy ?? 'another'}, which was not active`
      violations.push(violation(worker, 'skipped-without-cause', slot, message))
    }
  }
  return violations
}

/** When the run was last seen, or came due; a manual one that never began may have been triggered at any time until then. */
function lastSignOf({ worker, bodies }: WorkerCase, runId: string | undefined, until: number): number {
  const ends = bodies.flatMap((body) => (body.runId === runId ? [body.to] : []))
  const dueAt = Number(runId?.slice(worker.name.length + 1))
  return Math.max(...ends, Number.isNaN(dueAt) && ends.length === 0 ? until : dueAt || 0)
}

/** A process that has just taken up a tick, or a run, and stands still or is cut off goes on with it afterwards. */
function heldUntil({ faults }: History, sign: number): number {
  const holding = disturbing(faults).filter(({ from, to }) => from <= sign + ACTIVE_SLACK_MS && to >= sign)
  return Math.max(sign, ...holding.map(({ to }) => to))
}

/** A run is decided a moment before it begins, and ends a moment before another may begin. */
const ACTIVE_SLACK_MS = 1_000

/** The decisions of a slot in words: one list where all processes share the store, else one for each process. */
function decisionsOf({ worker, history }: WorkerCase, facts: SlotFacts) {
  const isAmbiguous = worker.declared[0] !== worker.declared[1]
  const wordsOf = (known: SlotFacts) => [
    ...(hasRun(known) ? ['it ran'] : []),
    ...known.nonRuns.map(({ record, process }) => `${record.outcome}/${record.reason} (process ${process ?? '?'})`),
    ...(isAmbiguous ? [] : known.countedBy.map(({ runId }) => `counted as missed by ${runId}`)),
  ]
  if (history.manager === 'bullmq') {
    const decidedAgain = [...beginsOf(facts), ...facts.nonRuns.map(({ at }) => at)]
    const isForgotten = ({ at }: NonRun) => decidedAgain.some((againAt) => recordForgotten(history, at, againAt))
    const kept = { ...facts, nonRuns: facts.nonRuns.filter((nonRun) => !isForgotten(nonRun)) }
    return [{ words: wordsOf(kept), process: undefined }]
  }
  const told = [...facts.records, ...facts.nonRuns.map(({ record }) => record), ...facts.countedBy]
  return [...new Set(told.map(({ instanceId }) => instanceId))].map((instance) => {
    // Its records say whether it ran.
    const words = wordsOf({ ...factsIn(facts, undefined, instance), bodies: [] })
    return { process: history.instances.get(instance), words }
  })
}
