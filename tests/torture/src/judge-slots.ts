import {
  BARELY_MISSED_MS,
  MAX_SILENCE_MS,
  MEETS_PAUSE_MS,
  ON_TIME_MS,
  STOPPING_MS,
  type TimelySlot,
  clockSetBack,
  isIn,
  mayBeLate,
  mostBarelyMissed,
  nobodyUp,
  notInForce,
  pausedTimes,
} from './allowances.ts'
import type { History, Span } from './history.ts'
import { RESTORE_MS, TAKE_OVER_MS } from './script.ts'
import { type SlotFacts, beginsOf, decidedAt, factsIn, hasRun, isDecided, isSkipped } from './slot-facts.ts'
import { type Violation, type WorkerCase, violation } from './worker-case.ts'
import { type Rhythm, type TortureWorker, declaredBy, rhythmOf, slotsBetween } from './workers.ts'

/** Every slot that is owed has a decision, and is decided on time unless something held it up. */
export function judgeSlots(workerCase: WorkerCase, rhythm: Rhythm, isOdd: boolean) {
  const { worker, history, disturbances } = workerCase
  const { jitterMs = 0 } = worker.policy
  const all = examineSlots(workerCase, rhythm, isOdd)
  const excused = mayBeLate(disturbances, onTimeOf(all))
  const nothingFeltFrom = Math.max(history.fromMs, ...disturbances.map(({ feltUntil }) => feltUntil))
  const violations: Violation[] = []
  let owed = 0
  let notOwed = 0
  let heldToTime = 0
  let barelyMissed = 0
  for (const { slot, decided, lateness, isFree } of all) {
    if (slot > history.toMs) break
    if (!decided && (isFree || isLeftUndecided(workerCase, slot, rhythm, isOdd))) {
      notOwed++
      continue
    }
    owed++
    const isExcused = isFree || excused.some(({ from, to }) => slot + jitterMs >= from && slot <= to)
    if (!isExcused) heldToTime++
    if (!decided) violations.push(violation(worker, 'undecided', slot, `slot ${slot} has no decision`))
    else if (lateness && !isExcused) {
      if (lateness.isBarely && slot < nothingFeltFrom) barelyMissed++
      else violations.push(violation(worker, 'late', slot, `slot ${slot} ${lateness.words}, and nothing held it up`))
    }
  }
  if (barelyMissed > mostBarelyMissed(heldToTime)) {
    const message = `missed ${barelyMissed} of ${heldToTime} slots barely, and nothing held them up`
    violations.push(violation(worker, 'late', history.toMs, message))
  }
  const timely = timelyOf(all)
  const silence = longestSilence(timely, history)
  const longestSilenceMs = silence.to - silence.from
  if (longestSilenceMs > MAX_SILENCE_MS + rhythm.periodMs) {
    const message = `had no slot decided on time for ${Math.round(longestSilenceMs)} ms`
    violations.push(violation(worker, 'silent', silence.from, message))
  }
  return { violations, timely, owed, notOwed, heldToTime, barelyMissed, longestSilenceMs }
}

interface ExaminedSlot {
  readonly slot: number
  /** What was decided, if anything was. */
  readonly decided: SlotFacts | undefined
  readonly lateness: Lateness | undefined
  /** Nothing is owed, because of a pause, a deploy, or since nobody is up. */
  readonly isFree: boolean
}

/** All slots until the end, in the order of time. */
function examineSlots(workerCase: WorkerCase, rhythm: Rhythm, isOdd: boolean): ExaminedSlot[] {
  const { worker, history, slots } = workerCase
  const free = [
    ...pausedTimes(history, worker.name),
    ...notInForce(history, worker, isOdd),
    ...nobodyUp(history, worker),
  ]
  return slotsBetween(rhythm, history.fromMs, history.endMs).map((slot) => {
    const facts = slots.get(slot)
    const decided = facts && isDecided(facts) ? facts : undefined
    return { slot, decided, lateness: decided && latenessOf(worker, slot, decided), isFree: isIn(free, slot) }
  })
}

function onTimeOf(slots: readonly ExaminedSlot[]): TimelySlot[] {
  return slots.flatMap(({ slot, decided, lateness }) => {
    return decided && !lateness ? [{ slot, at: decidedAt(decided) }] : []
  })
}

/** Nobody waits for a slot that is not owed, so it is as good as one on time. */
function timelyOf(slots: readonly ExaminedSlot[]): TimelySlot[] {
  const free = slots.flatMap(({ slot, isFree }) => (isFree ? [{ slot, at: slot }] : []))
  return [...onTimeOf(slots), ...free].sort((one, other) => one.slot - other.slot)
}

/** The longest time without a slot that was decided on time. */
function longestSilence(timely: readonly TimelySlot[], { fromMs, toMs }: History): Span {
  const moments = [fromMs, ...timely.map(({ slot }) => slot).filter((slot) => slot <= toMs), toMs]
  return moments
    .map((to, index) => ({ from: moments[index - 1] ?? to, to }))
    .reduce((longest, span) => (span.to - span.from > longest.to - longest.from ? span : longest))
}

/** The default manager decides in each process that is up; "another has it" is a decision too. */
export function judgeProcesses(workerCase: WorkerCase): Violation[] {
  const { worker, history, slots, heldUp: held } = workerCase
  if (history.manager !== 'default') return []
  const violations: Violation[] = []
  const paused = pausedTimes(history, worker.name)
  const instanceOf = new Map([...history.instances].map(([instance, process]) => [process, instance]))
  const jitterMs = worker.policy.jitterMs ?? 0
  for (const { number, release, startedAt, stoppingAt, endedAt } of history.processes) {
    const schedule = declaredBy(release, worker)
    if (!schedule || startedAt === undefined) continue
    const endsAt = Math.min(stoppingAt ?? endedAt, endedAt)
    const until = Math.min(endsAt - STOPPING_MS - jitterMs, history.toMs)
    const here: WorkerCase = { ...workerCase, slots: decidedIn(slots, number, instanceOf.get(number)) }
    for (const slot of slotsBetween(rhythmOf(schedule, worker.name), startedAt + STOPPING_MS, until)) {
      if (here.slots.has(slot) || isIn(paused, slot) || isCoveredByPause(here, slot)) continue
      if (isIn(held, slot) && mayHaveWaited(here, slot, endsAt)) continue
      if (clockSetBack(history, number, slot)) continue
      violations.push(violation(worker, 'undecided', slot, `slot ${slot} has no decision in process ${number}`))
    }
  }
  return violations
}

/** The slots that one process has decided. */
function decidedIn(slots: WorkerCase['slots'], process: number, instance: string | undefined): Map<number, SlotFacts> {
  const here = [...slots].map(([slot, facts]): [number, SlotFacts] => [slot, factsIn(facts, process, instance)])
  return new Map(here.filter(([, facts]) => isDecided(facts)))
}

/** It came due, and was held up until nobody had to decide it any more. */
function isLeftUndecided(workerCase: WorkerCase, slot: number, rhythm: Rhythm, isOdd: boolean): boolean {
  return (
    isCoveredByPause(workerCase, slot) ||
    isForgotten(workerCase, slot, rhythm) ||
    isDroppedByDeploy(workerCase, slot, isOdd)
  )
}

/** It waited until a release came that declares another schedule: that one starts from now. */
function isDroppedByDeploy(workerCase: WorkerCase, slot: number, isOdd: boolean): boolean {
  const { worker, history, heldUp: held } = workerCase
  const [even, odd] = worker.declared
  if (history.manager !== 'bullmq' || even === odd || !isIn(held, slot)) return false
  const comesAt = history.processes
    .filter(({ release }) => (release % 2 === 1) !== isOdd)
    .map(({ startedAt = Number.POSITIVE_INFINITY }) => startedAt)
    .filter((startedAt) => startedAt > slot)
  return comesAt.length > 0 && mayHaveWaited(workerCase, slot, Math.min(...comesAt))
}

/** It waited until a pause came. */
function isCoveredByPause(workerCase: WorkerCase, slot: number): boolean {
  const { worker, history, heldUp: held } = workerCase
  const pause = pausedTimes(history, worker.name).find(({ from }) => from > slot)
  if (!pause || !(isIn(held, slot) || slot >= pause.from - MEETS_PAUSE_MS)) return false
  return mayHaveWaited(workerCase, slot, pause.from)
}

/** It waited when Redis was emptied, or came due before the worker's schedule was restored. */
function isForgotten(workerCase: WorkerCase, slot: number, { periodMs }: Rhythm): boolean {
  const { history, slots } = workerCase
  if (history.manager !== 'bullmq') return false
  return history.emptiedAt.some((at) => {
    if (slot <= at) return slot >= at - TAKE_OVER_MS && mayHaveWaited(workerCase, slot, at)
    const between = [...slots].filter(([other]) => other > at && other < slot && (slot - other) % periodMs === 0)
    // One that was decided before, by a clock that was ahead, restores nothing.
    const isRestored = between.some(([, facts]) => decidedAt(facts) > at)
    return slot <= at + RESTORE_MS && !isRestored
  })
}

/** No later slot that came due until then ran, or was skipped for anything but the run of this one. Some may have been missed. */
function mayHaveWaited({ worker, slots }: WorkerCase, slot: number, until: number): boolean {
  const runId = `${worker.name}.${slot}`
  return ![...slots].some(([later, facts]) => {
    if (later <= slot || later > until) return false
    return hasRun(facts) || facts.nonRuns.some(({ record }) => isSkipped(record) && record.blockedBy !== runId)
  })
}

/** How a slot was not decided on time. */
interface Lateness {
  readonly words: string
  /** It was missed, and that at once: see the rule "slow machine". */
  readonly isBarely?: true
}

function latenessOf({ policy: { jitterMs = 0 } }: TortureWorker, slot: number, facts: SlotFacts): Lateness | undefined {
  const limit = slot + jitterMs + ON_TIME_MS
  const begins = beginsOf(facts)
  if (begins.length > 0) {
    const first = Math.min(...begins)
    return first > limit ? { words: `began ${Math.round(first - slot)} ms late` } : undefined
  }
  if (facts.nonRuns.length === 0) return { words: 'was passed over' }
  const skipped = facts.nonRuns.find(({ record }) => isSkipped(record))
  if (skipped) return skipped.at > limit ? { words: `was skipped ${Math.round(skipped.at - slot)} ms late` } : undefined
  const isBarely = facts.nonRuns.some(({ at }) => at <= slot + jitterMs + BARELY_MISSED_MS)
  return { words: 'was missed', ...(isBarely && { isBarely }) }
}
