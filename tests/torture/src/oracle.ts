import type { RunRecord } from '@background-workers/abstractions'
import {
  BARELY_MISSED_MS,
  type Disturbance,
  type LeaseOverlap,
  MAX_SILENCE_MS,
  MEETS_PAUSE_MS,
  ON_TIME_MS,
  RECOVERY_MS,
  STOPPING_MS,
  type TimelySlot,
  allowedStarts,
  claimForgotten,
  clockSetBack,
  couldLoseLease,
  declarations,
  disturbancesOf,
  heldUp,
  isIn,
  leaseOverlap,
  mayBeLate,
  mostBarelyMissed,
  nobodyUp,
  notInForce,
  pausedTimes,
  recordForgotten,
  runningMs,
} from './allowances.ts'
import type { Body, History, NonRun, Span } from './history.ts'
import { type Recovery, recoveriesOf } from './recovery.ts'
import { RESTORE_MS, TAKE_OVER_MS } from './script.ts'
import { type Rhythm, type TortureWorker, declaredBy, isSlotOf, rhythmOf, slotsBetween } from './workers.ts'

/** The kinds of broken promises. */
export type ViolationKind =
  /** A slot that nothing was decided of. */
  | 'undecided'
  /** A slot of which two things were decided: it ran and was skipped, say, or a later record counts it all the same. */
  | 'decided-twice'
  /** A run that was started more often than its policy allows. */
  | 'ran-twice'
  /** Two runs of a worker at the same time, without a lost lease. */
  | 'overlap'
  /** A slot that was decided late, missed, or lost, and nothing held it up. */
  | 'late'
  /** A worker that had no slot decided on time for so long that no fault excuses it. */
  | 'silent'
  /** A run that began before its slot. */
  | 'early'
  /** A run that began later than its catch-up window allows. */
  | 'outside-window'
  /** A slot that was skipped for a run that was not there. */
  | 'skipped-without-cause'
  /** A run that the store has no record of. */
  | 'without-record'
  /** A record that stays without an outcome. */
  | 'without-outcome'
  /** A run that took longer than its timeout, and its signal was not aborted. */
  | 'timeout-ignored'
  /** A process that reported an error which nobody caught, or did not end. */
  | 'problem'

export interface Violation {
  readonly kind: ViolationKind
  readonly worker: string | undefined
  /** When, or about which slot. */
  readonly at: number
  readonly message: string
}

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

/** Everything that was decided of one slot. */
interface SlotFacts {
  readonly bodies: Body[]
  readonly records: RunRecord[]
  readonly nonRuns: NonRun[]
  /** The later records that count it as missed. */
  readonly countedBy: Counting[]
}

interface Counting {
  readonly runId: string
  readonly instanceId: string
  readonly at: number
}

/** What is known of one worker. */
interface WorkerCase {
  readonly worker: TortureWorker
  readonly history: History
  readonly bodies: readonly Body[]
  readonly slots: ReadonlyMap<number, SlotFacts>
  readonly disturbances: readonly Disturbance[]
  readonly heldUp: readonly Span[]
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
      skipped: countSlots(workerCase, (facts) => !hasRun(facts) && facts.nonRuns.some(isSkipped)),
      missed: countSlots(workerCase, (facts) => !hasRun(facts) && !facts.nonRuns.some(isSkipped)),
      notOwed: sum(slots.map(({ notOwed }) => notOwed)),
      heldToTime: sum(slots.map(({ heldToTime }) => heldToTime)),
      barelyMissed: sum(slots.map(({ barelyMissed }) => barelyMissed)),
      longestSilenceMs: Math.max(0, ...slots.map(({ longestSilenceMs }) => longestSilenceMs)),
    },
  }
}

/** Assigns runs and records to slots. */
function gatherSlots(
  worker: TortureWorker,
  history: History,
  bodies: readonly Body[],
  rhythms: readonly Rhythm[],
): Map<number, SlotFacts> {
  const slots = new Map<number, SlotFacts>()
  const factsOf = (slot: number): SlotFacts => {
    const facts = slots.get(slot) ?? { bodies: [], records: [], nonRuns: [], countedBy: [] }
    slots.set(slot, facts)
    return facts
  }
  const countMissed = ({ runId, instanceId, scheduledFor, missedSlots = 0 }: RunRecord, at: number) => {
    const slot = scheduledFor.getTime()
    const fitting = rhythms.filter((rhythm) => isSlotOf(rhythm, slot))
    for (const { periodMs } of fitting) {
      for (let back = 1; back <= missedSlots; back++)
        factsOf(slot - back * periodMs).countedBy.push({ runId, instanceId, at })
    }
  }
  for (const body of bodies) if (body.slot !== undefined) factsOf(body.slot).bodies.push(body)
  for (const record of history.runRecords) {
    if (record.worker !== worker.name || !isOfSlot(record)) continue
    factsOf(record.scheduledFor.getTime()).records.push(record)
    countMissed(record, record.startedAt?.getTime() ?? record.scheduledFor.getTime())
  }
  for (const nonRun of history.nonRuns) {
    if (nonRun.record.worker !== worker.name || !isOfSlot(nonRun.record)) continue
    factsOf(nonRun.record.scheduledFor.getTime()).nonRuns.push(nonRun)
    countMissed(nonRun.record, nonRun.at)
  }
  return slots
}

/** Every slot that is owed has a decision, and is decided on time unless something held it up. */
function judgeSlots(workerCase: WorkerCase, rhythm: Rhythm, isOdd: boolean) {
  const { worker, history, slots, disturbances } = workerCase
  const violations: Violation[] = []
  const free = [
    ...pausedTimes(history, worker.name),
    ...notInForce(history, worker, isOdd),
    ...nobodyUp(history, worker),
  ]
  const all = slotsBetween(rhythm, history.fromMs, history.endMs).map((slot) => {
    const facts = slots.get(slot)
    const decided = facts && isDecided(facts) ? facts : undefined
    return { slot, decided, late: decided && lateness(workerCase, slot, decided), isFree: isIn(free, slot) }
  })
  const onTime = all.flatMap(({ slot, decided, late }) => (decided && !late ? [{ slot, at: decidedAt(decided) }] : []))
  const excused = mayBeLate(disturbances, onTime)
  // Nobody waits for a slot that is not owed.
  const notAwaited = all.flatMap(({ slot, isFree }) => (isFree ? [{ slot, at: slot }] : []))
  const timely = [...onTime, ...notAwaited].sort((one, other) => one.slot - other.slot)
  const { jitterMs = 0 } = worker.policy
  let owed = 0
  let notOwed = 0
  let heldToTime = 0
  let barelyMissed = 0
  for (const { slot, decided, late, isFree } of all) {
    if (slot > history.toMs) break
    if (!decided && (isFree || isCoveredByPause(workerCase, slot) || isForgotten(workerCase, slot))) {
      notOwed++
      continue
    }
    owed++
    const isExcused = isFree || excused.some(({ from, to }) => slot + jitterMs >= from && slot <= to)
    if (!isExcused) heldToTime++
    if (!decided) violations.push(violation(worker, 'undecided', slot, `slot ${slot} has no decision`))
    else if (isExcused || !late) continue
    else if (late === 'barely') barelyMissed++
    else {
      violations.push(violation(worker, 'late', slot, `slot ${slot} ${late}, and nothing held it up`))
    }
  }
  if (barelyMissed > mostBarelyMissed(heldToTime)) {
    const message = `missed ${barelyMissed} of ${heldToTime} slots barely, and nothing held them up`
    violations.push(violation(worker, 'late', history.toMs, message))
  }
  const silence = longestSilence(timely, history)
  if (silence.to - silence.from > MAX_SILENCE_MS + rhythm.periodMs) {
    const message = `had no slot decided on time for ${Math.round(silence.to - silence.from)} ms`
    violations.push(violation(worker, 'silent', silence.from, message))
  }
  return { violations, timely, owed, notOwed, heldToTime, barelyMissed, longestSilenceMs: silence.to - silence.from }
}

/** The longest time without a slot that was decided on time. */
function longestSilence(timely: readonly TimelySlot[], { fromMs, toMs }: History): Span {
  const moments = [fromMs, ...timely.map(({ slot }) => slot).filter((slot) => slot <= toMs), toMs]
  return moments
    .map((to, index) => ({ from: moments[index - 1] ?? to, to }))
    .reduce((longest, span) => (span.to - span.from > longest.to - longest.from ? span : longest))
}

/** The default manager decides in each process that is up; "another has it" is a decision too. */
function judgeProcesses(workerCase: WorkerCase): Violation[] {
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

/** What one process has decided. */
function decidedIn(slots: WorkerCase['slots'], process: number, instance: string | undefined): Map<number, SlotFacts> {
  const isMine = ({ instanceId }: { readonly instanceId: string }) => instanceId === instance
  return new Map(
    [...slots]
      .map(([slot, facts]): [number, SlotFacts] => [
        slot,
        {
          bodies: facts.bodies.filter((body) => body.process === process),
          records: facts.records.filter(isMine),
          nonRuns: facts.nonRuns.filter(({ record }) => isMine(record)),
          countedBy: facts.countedBy.filter(isMine),
        },
      ])
      .filter(([, facts]) => isDecided(facts)),
  )
}

/** It waited until a pause came. */
function isCoveredByPause(workerCase: WorkerCase, slot: number): boolean {
  const { worker, history, heldUp: held } = workerCase
  const pause = pausedTimes(history, worker.name).find(({ from }) => from > slot)
  if (!pause || !(isIn(held, slot) || slot >= pause.from - MEETS_PAUSE_MS)) return false
  return mayHaveWaited(workerCase, slot, pause.from)
}

/** It waited when Redis was emptied, or came due before the worker's schedule was restored. */
function isForgotten(workerCase: WorkerCase, slot: number): boolean {
  const { history, slots } = workerCase
  if (history.manager !== 'bullmq') return false
  return history.emptiedAt.some((at) => {
    if (slot <= at) return slot >= at - TAKE_OVER_MS && mayHaveWaited(workerCase, slot, at)
    return (
      slot <= at + RESTORE_MS && ![...slots].some(([other, facts]) => other > at && other < slot && isDecided(facts))
    )
  })
}

/** No later slot that came due until then was decided, except that it was skipped for the run of this one. */
function mayHaveWaited({ worker, slots }: WorkerCase, slot: number, until: number): boolean {
  const isForIt = ({ record }: NonRun) => record.blockedBy === `${worker.name}.${slot}`
  return ![...slots].some(([other, facts]) => {
    return (
      other > slot && other <= until && isDecided({ ...facts, nonRuns: facts.nonRuns.filter((one) => !isForIt(one)) })
    )
  })
}

/** How the slot was not decided on time, if it was not; `barely`: it was missed at once. */
function lateness({ worker }: WorkerCase, slot: number, facts: SlotFacts): string | undefined {
  const { jitterMs = 0 } = worker.policy
  const limit = slot + jitterMs + ON_TIME_MS
  const begins = beginsOf(facts)
  if (begins.length > 0) {
    const first = Math.min(...begins)
    return first > limit ? `began ${Math.round(first - slot)} ms late` : undefined
  }
  if (facts.nonRuns.length === 0) return 'was passed over'
  const nonRun = facts.nonRuns.find(({ record }) => record.outcome !== 'missed')
  if (!nonRun) return facts.nonRuns.some(({ at }) => at <= slot + jitterMs + BARELY_MISSED_MS) ? 'barely' : 'was missed'
  return nonRun.at > limit ? `was skipped ${Math.round(nonRun.at - slot)} ms late` : undefined
}

function beginsOf({ bodies, records }: SlotFacts): number[] {
  return [...bodies.map(({ from }) => from), ...records.flatMap((record) => record.startedAt?.getTime() ?? [])]
}

function decidedAt(facts: SlotFacts): number {
  return Math.min(...beginsOf(facts), ...facts.nonRuns.map(({ at }) => at))
}

/** Nothing is decided twice: in the cluster, or, where the manager keeps no records in a store, in a process. */
function judgeDecisions(workerCase: WorkerCase): Violation[] {
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
      const isOfGoneRun = slot - lastSignOf(workerCase, record.blockedBy, slot) <= TAKE_OVER_MS + RECOVERY_MS
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

/** A run is decided a moment before it begins, and ends a moment before another may begin. */
const ACTIVE_SLACK_MS = 1_000

function decisionsOf({ worker, history }: WorkerCase, facts: SlotFacts) {
  const isAmbiguous = worker.declared[0] !== worker.declared[1]
  const wordsOf = (known: SlotFacts) => [
    ...(hasRun(known) ? ['it ran'] : []),
    ...known.nonRuns.map(({ record, process }) => `${record.outcome}/${record.reason} (process ${process ?? '?'})`),
    ...(isAmbiguous ? [] : known.countedBy.map(({ runId }) => `counted as missed by ${runId}`)),
  ]
  if (history.manager === 'bullmq') {
    const isForgotten = ({ at }: NonRun) => facts.nonRuns.some((again) => recordForgotten(history, at, again.at))
    const kept = { ...facts, nonRuns: facts.nonRuns.filter((nonRun) => !isForgotten(nonRun)) }
    return [{ words: wordsOf(kept), process: undefined }]
  }
  const instances = new Set(
    [...facts.records, ...facts.nonRuns.map(({ record }) => record), ...facts.countedBy].map(
      ({ instanceId }) => instanceId,
    ),
  )
  return [...instances].map((instance) => {
    const isMine = ({ instanceId }: { readonly instanceId: string }) => instanceId === instance
    return {
      process: history.instances.get(instance),
      words: wordsOf({
        bodies: [],
        records: facts.records.filter(isMine),
        nonRuns: facts.nonRuns.filter(({ record }) => isMine(record)),
        countedBy: facts.countedBy.filter(isMine),
      }),
    }
  })
}

/** No run starts more often than its policy allows, nor before its slot, nor without heed to its timeout. */
function judgeStarts({ worker, history, bodies }: WorkerCase): Violation[] {
  const violations: Violation[] = []
  for (const [runId, starts] of Map.groupBy(bodies, (body) => body.runId)) {
    // A start whose claim was forgotten begins anew.
    const [first, second, ...more] = starts.filter((start, index) => {
      const before = starts[index - 1]
      return !before || !claimForgotten(history, before, start)
    })
    if (!first || !second) continue
    if (2 + more.length > allowedStarts(history, worker)) {
      const places = starts.map(({ process }) => process).join(', ')
      const message = `${runId} was started ${starts.length} times, in the processes ${places}`
      violations.push(violation(worker, 'ran-twice', second.from, message))
    } else if (first.hasEnded && !first.abort && !couldLoseLease(history, first, second)) {
      const message = `${runId} had ended in process ${first.process} and was started again in ${second.process}`
      violations.push(violation(worker, 'ran-twice', second.from, message))
    }
  }
  for (const { slot, from, ownFrom, runId, process } of bodies) {
    const began = history.manager === 'bullmq' ? from : ownFrom
    if (slot === undefined || began >= slot - EARLY_MS) continue
    // It waited for its jitter when the clock was set back: it does not wait again.
    if (history.manager === 'default' && clockSetBack(history, process, slot)) continue
    violations.push(violation(worker, 'early', slot, `${runId} began ${Math.round(slot - began)} ms before its slot`))
  }
  const { timeoutMs } = worker.policy
  for (const { from, to, runId, abort, process } of bodies) {
    const tookMs = runningMs(history, process, from, to)
    if (timeoutMs === undefined || abort || tookMs < timeoutMs + ON_TIME_MS) continue
    const message = `${runId} took ${Math.round(tookMs)} ms, and its signal was not aborted`
    violations.push(violation(worker, 'timeout-ignored', from, message))
  }
  return violations
}

/** Two measurements of Redis time may differ by this. The default manager goes by the clock of its process. */
const EARLY_MS = 600

/** Any two runs of a worker do not overlap, unless a lease was lost. */
function judgeOverlaps({ worker, history, bodies }: WorkerCase) {
  const overlaps: Violation[] = []
  const leaseOverlaps: LeaseOverlap[] = []
  for (const [index, after] of bodies.entries()) {
    for (const before of bodies.slice(0, index)) {
      if (before.to <= after.from) continue
      const allowed = leaseOverlap(history, before, after)
      if (allowed) leaseOverlaps.push(allowed)
      else {
        const ms = Math.round(Math.min(before.to, after.to) - after.from)
        const message = `${after.runId} (process ${after.process}) ran for ${ms} ms beside ${before.runId} (process ${before.process})`
        overlaps.push(violation(worker, 'overlap', after.slot ?? after.from, message))
      }
    }
  }
  return { overlaps, leaseOverlaps }
}

/** Every run has a record, of an outcome, and inside its window. */
function judgeRecords({ worker, history, bodies }: WorkerCase, periodMs: number): Violation[] {
  const violations: Violation[] = []
  const { stored, emptiedAt, endMs } = history
  const onTimeMs = Math.min(1_000, periodMs / 2)
  const windowMs = Math.max(worker.policy.catchUpWindowMs ?? Math.min(periodMs / 2, 3_600_000), onTimeMs)
  for (const { worker: name, runId, lateByMs = 0, scheduledFor } of history.runRecords) {
    if (name !== worker.name || lateByMs <= windowMs) continue
    const message = `${runId} ran ${lateByMs} ms late; its window is ${windowMs} ms`
    violations.push(violation(worker, 'outside-window', scheduledFor.getTime(), message))
  }
  for (const { runId, from, to, process } of stored ? bodies : []) {
    const record = stored?.get(runId)
    if (!record) {
      // What was written while the records were read for the last time is gone.
      const isForgotten = emptiedAt.some((at) => from >= at - ON_TIME_MS && from <= at + 1_000)
      if (isForgotten) continue
      const message = `${runId} ran in process ${process}, and has no record`
      violations.push(violation(worker, 'without-record', from, message))
    } else if (record.outcome === undefined && to < endMs - TAKE_OVER_MS) {
      if (emptiedAt.some((at) => at >= from - ON_TIME_MS && at <= to + TAKE_OVER_MS)) continue
      violations.push(violation(worker, 'without-outcome', from, `${runId} ended, and its record has no outcome`))
    }
  }
  return violations
}

function rhythmFor(worker: TortureWorker, isOdd: boolean): Rhythm {
  const schedule = declaredBy(isOdd ? 1 : 0, worker)
  if (!schedule) throw new Error(`Worker ${worker.name} is not declared.`)
  return rhythmOf(schedule, worker.name)
}

function isDecided({ bodies, records, nonRuns, countedBy }: SlotFacts): boolean {
  return bodies.length + records.length + nonRuns.length + countedBy.length > 0
}

function isOfSlot({ kind }: RunRecord): boolean {
  return kind === 'scheduled' || kind === 'catch-up'
}

function violation(worker: TortureWorker, kind: ViolationKind, at: number, message: string): Violation {
  return { kind, worker: worker.name, at, message: `${worker.name}: ${message}` }
}

function countSlots({ slots, history }: WorkerCase, isIt: (facts: SlotFacts) => boolean): number {
  return [...slots].filter(([slot, facts]) => slot > history.fromMs && slot <= history.toMs && isIt(facts)).length
}

function hasRun({ bodies, records }: SlotFacts): boolean {
  return bodies.length > 0 || records.length > 0
}

function isSkipped({ record }: NonRun): boolean {
  return record.outcome === 'skipped'
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
