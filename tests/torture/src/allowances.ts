// What a fault may cost. Each rule is reasoned from what is promised, has its figure here, and is tested from both sides.
import type { Body, FaultSpan, History, Span } from './history.ts'
import { type Fault, TAKE_OVER_MS, costOf } from './script.ts'
import { type TortureWorker, declaredBy } from './workers.ts'

/** After the last effect of a fault everything is on time within a slot and so long. */
export const RECOVERY_MS = 10_000

/** A slot that is decided so late is on time all the same: machines are slow. */
export const ON_TIME_MS = 5_000

/** Who loses a lease looks at least so often whether it has: its signal is aborted so long after a successor may start. */
export const LEASE_CHECK_MS = 5_000

/** Renewals come at least so often; one that finds its lease gone, as after Redis was emptied, aborts the signal. */
export const LEASE_RENEWAL_MS = 10_000

/** What a timer may be late on a slow machine, beyond the time in which the process is known to have stood still. */
const TIMER_SLACK_MS = 2_000

/** No successor starts before a lease has run out: 20 s after the last renewal, which was at most 10 s before the fault. */
const LEAST_LEASE_MS = 10_000

/** A slot that was due so shortly before a pause may meet it. */
export const MEETS_PAUSE_MS = 2_000

/**
 * So long at most a worker may go without a slot that is decided on time, whatever happens: the process that has its run is
 * lost, the one that takes over as well, and all connections are half-open for as long as a script does that.
 */
export const MAX_SILENCE_MS = 2 * TAKE_OVER_MS + 12_000 + RECOVERY_MS

/** A fault that changes what an operator or a deploy wants, and nothing that works. It excuses no late slot. */
function isHarmless({ fault }: FaultSpan): boolean {
  const { kind } = fault
  return (
    kind === 'restart' || kind === 'release-up' || kind === 'release-down' || kind === 'pause' || kind === 'trigger'
  )
}

/** A fault, or a time in which a process or the machine stood still, and how long it can be felt. */
export interface Disturbance extends Span {
  /** By then everything is on time, whatever was lost. */
  readonly feltUntil: number
}

/** A clock that is ahead puts off by as much what it hands on: it comes so long after the clock was set right. */
function putOffBy({ kind, ms = 0 }: Fault): number {
  return kind === 'clock' ? Math.max(0, ms) : 0
}

/** A fault is felt until its last effect (see `costOf`) plus a slot and 10 s. */
export function disturbancesOf({ faults, stalls }: History, periodMs: number): Disturbance[] {
  const byFaults = disturbing(faults).map(({ fault, from, to }) => {
    return { from: from - 1_000, to: to + putOffBy(fault), feltUntil: to + costOf(fault) + periodMs + RECOVERY_MS }
  })
  const byStalls = stalls.map(({ from, to }) => ({ from: from - 1_000, to, feltUntil: to + periodMs + ON_TIME_MS }))
  return [...byFaults, ...byStalls]
}

/** The faults that can hold something up. */
export function disturbing(faults: readonly FaultSpan[]): FaultSpan[] {
  return faults.filter((span) => !isHarmless(span))
}

/** Rule "held up": as long as a disturbance can be felt, slots may wait, and be skipped for a run that is gone. */
export function heldUp(disturbances: readonly Disturbance[]): Span[] {
  return joined(disturbances.map(({ from, feltUntil }) => ({ from, to: feltUntil })))
}

/** A slot that was decided in time, and when. */
export interface TimelySlot {
  readonly slot: number
  readonly at: number
}

/**
 * Rule "late": slots of a worker may be late or missed during a disturbance, and from its end until the worker's next slot in
 * time has been decided. So whoever is on time again has to stay so until the next disturbance.
 */
export function mayBeLate(disturbances: readonly Disturbance[], timely: readonly TimelySlot[]): Span[] {
  return joined(
    disturbances.map(({ from, to, feltUntil }) => {
      const first = firstAfter(timely, to)
      return { from, to: Math.min(feltUntil, first ? Math.max(first.slot, first.at) : feltUntil) }
    }),
  )
}

/**
 * Rule "slow machine": a slot that was missed so soon after it was due was missed because the worker's window is short. It is
 * counted, and more than one in four (and five) of the slots that nothing held up are too many. At the end, when nothing can be
 * felt any more, none may be.
 */
export const BARELY_MISSED_MS = 1_500

/** How many of so many slots may be missed barely. */
export function mostBarelyMissed(slots: number): number {
  return 5 + Math.floor(slots / 4)
}

/** The first slot after that time that was decided after it too: a clock that was ahead decides ahead. `timely`: in the order of time. */
export function firstAfter(timely: readonly TimelySlot[], time: number): TimelySlot | undefined {
  return timely.find(({ slot, at }) => slot > time && at > time)
}

/** Rule "paused": a pause decides the slots that it meets, and leaves no record. */
export function pausedTimes({ pauses }: History, worker: string): Span[] {
  return pauses.filter((pause) => pause.worker === worker).map(({ from, to }) => ({ from, to: to + 500 }))
}

/**
 * An instance counts as dead 30 s after its last heartbeat, which was at most 10 s before; 10 s more until all have seen it. One that
 * was cut off itself, or whose Redis was emptied, gives it 30 s more to come back.
 */
const RELEASE_GONE_MS = 80_000

/**
 * Rule "deploy": what releases declare differently is owed while only one of them has been in force for long enough.
 * Gives the times in which the slots of this declaration are not owed.
 */
export function notInForce({ processes, fromMs, endMs }: History, worker: TortureWorker, isOdd: boolean): Span[] {
  const [even, odd] = worker.declared
  if (even === odd) return []
  const mine = processes.filter(({ release }) => (release % 2 === 1) === isOdd)
  const others = processes.filter((process) => !mine.includes(process))
  const spans: Span[] = others.map(({ spawnedAt, endedAt }) => ({ from: spawnedAt, to: endedAt + RELEASE_GONE_MS }))
  // Where none of mine has been up for a while there is nothing either.
  let upFrom = fromMs
  for (const { startedAt, endedAt } of mine.toSorted((one, other) => one.spawnedAt - other.spawnedAt)) {
    if (startedAt === undefined) continue
    if (startedAt > upFrom) spans.push({ from: upFrom, to: startedAt + RECOVERY_MS })
    upFrom = Math.max(upFrom, endedAt - 1_000)
  }
  spans.push({ from: upFrom, to: endMs })
  return joined(spans)
}

/** How often a run of the worker may be started. The default manager knows nothing of runs that other processes lost. */
export function allowedStarts({ manager }: History, { policy }: TortureWorker): number {
  return policy.onCrash === 'recover' && manager === 'bullmq' ? 2 : 1
}

/** Rule "claims": the default manager's lock keeps what has started in Redis; when that is emptied a slot may run again. */
export function claimForgotten({ manager, emptiedAt }: History, first: Body, second: Body): boolean {
  return manager === 'default' && emptiedAt.some((at) => at >= first.from - TIMER_SLACK_MS && at <= second.from)
}

/** Rule "emptied": of a slot whose record has gone with an emptied Redis something may be decided again. */
export function recordForgotten({ manager, emptiedAt }: History, decidedAt: number, decidedAgainAt: number): boolean {
  return manager === 'bullmq' && emptiedAt.some((at) => at >= decidedAt && at <= decidedAgainAt)
}

/** Rule "clock": in a process whose clock was set back, the slots in between come again. */
export function clockSetBack({ faults, processes }: History, process: number, slot: number): boolean {
  const seat = processes.find(({ number }) => number === process)?.seat
  return faults.some(({ fault, from, to }) => {
    if (fault.kind !== 'clock' || seat === undefined || !fault.seats.includes(seat)) return false
    const reachMs = Math.abs(fault.ms ?? 0) + ON_TIME_MS
    return slot >= from - reachMs && slot <= to + reachMs
  })
}

/**
 * Rule "stopped": the default manager keeps nothing. A slot is owed while a process is up for it: from before it comes due
 * until its jitter has passed.
 */
export function nobodyUp({ manager, processes, fromMs, endMs }: History, { policy }: TortureWorker): Span[] {
  if (manager !== 'default') return []
  const spans: Span[] = []
  let upUntil = fromMs
  for (const { startedAt, stoppingAt, endedAt } of processes.toSorted(
    (one, other) => one.spawnedAt - other.spawnedAt,
  )) {
    if (startedAt === undefined) continue
    if (startedAt > upUntil) spans.push({ from: upUntil, to: startedAt })
    upUntil = Math.max(upUntil, Math.min(stoppingAt ?? endedAt, endedAt) - STOPPING_MS - (policy.jitterMs ?? 0))
  }
  spans.push({ from: upUntil, to: endMs })
  return spans
}

/**
 * A slot that waits for its jitter or its lock when its process stops, or dies, is covered by that. One that waits for longer,
 * as its window allows while the lock can not be reached, is told by the slots that were skipped for it until then.
 */
export const STOPPING_MS = 2_000

/** Two runs of a worker at the same time, which a lost lease allows. */
export interface LeaseOverlap {
  readonly worker: string
  readonly runId: string
  readonly successor: string
  /** How long both were active. */
  readonly overlapMs: number
  /** How long the first went on, in the time that its process was running, before its signal was aborted. */
  readonly reactedAfterMs: number
}

/**
 * Rule "lost lease": a run may overlap its successor if something had kept it from renewing its lease, and its signal was
 * aborted (or it ended) within the time of one look, counted while its process was running.
 */
export function leaseOverlap(history: History, before: Body, after: Body): LeaseOverlap | undefined {
  if (!couldLoseLease(history, before, after)) return undefined
  const emptied = wasEmptied(history, before, after)
  const toldAt = Math.min(before.abort?.at ?? before.to, before.to)
  const reactedAfterMs = Math.max(0, runningMs(history, before.process, after.from, toldAt))
  const boundMs = (emptied ? LEASE_RENEWAL_MS + LEASE_CHECK_MS : LEASE_CHECK_MS) + TIMER_SLACK_MS
  if (reactedAfterMs > boundMs) return undefined
  const { worker, runId } = before
  const overlapMs = Math.min(before.to, after.to) - after.from
  return { worker, runId, successor: after.runId, overlapMs, reactedAfterMs }
}

/** Whether a run that began `before` may have lost its lease when the other began: it could not renew it, or all leases are gone. */
export function couldLoseLease(history: History, before: Body, after: Body): boolean {
  return wasEmptied(history, before, after) || couldNotRenew(history, before, after)
}

function wasEmptied({ emptiedAt }: History, before: Body, after: Body): boolean {
  return emptiedAt.some((at) => at >= before.from - 1_000 && at <= after.from)
}

/** Faults kept the run from renewing its lease, or its process stood still, for as long as is left of a lease at least. */
function couldNotRenew(history: History, before: Body, after: Body): boolean {
  const seat = history.processes.find(({ number }) => number === before.process)?.seat
  const cutOff = disturbing(history.faults)
    .filter(({ fault: { kind, seats } }) => {
      return seats.length === 0 ? kind.startsWith('redis-') : seat !== undefined && seats.includes(seat)
    })
    .map(({ from, to }) => ({ from: from - 1_000, to: to + RECONNECT_MS }))
  const still = history.stalls.filter(({ process }) => process === before.process)
  return withinMs(joined([...cutOff, ...still]), before.from, after.from) >= LEAST_LEASE_MS
}

/** So long at most it takes until a connection that was broken, or fell silent, is back and a renewal has come through. */
const RECONNECT_MS = 8_000

/** For how much of the time the process was running. */
export function runningMs(history: History, process: number, from: number, to: number): number {
  const still = history.stalls.filter((stall) => stall.process === process)
  return to - from - withinMs(still, from, to)
}

function withinMs(spans: readonly Span[], from: number, to: number): number {
  return spans.reduce((sum, span) => sum + Math.max(0, Math.min(span.to, to) - Math.max(span.from, from)), 0)
}

/** Whether any of the spans has the moment in it. */
export function isIn(spans: readonly Span[], at: number): boolean {
  return spans.some(({ from, to }) => at >= from && at <= to)
}

/** The same moments as spans that do not touch, earliest first. */
export function joined(spans: readonly Span[]): Span[] {
  const result: { from: number; to: number }[] = []
  for (const { from, to } of spans.toSorted((one, other) => one.from - other.from)) {
    const last = result.at(-1)
    if (last && from <= last.to) last.to = Math.max(last.to, to)
    else result.push({ from, to })
  }
  return result
}

/** Which releases declare the worker, where even and odd ones differ in it. */
export function declarations(worker: TortureWorker): { readonly isOdd: boolean }[] {
  const [even, odd] = worker.declared
  if (even === odd) return [{ isOdd: false }]
  return [false, true].filter((isOdd) => declaredBy(isOdd ? 1 : 0, worker)).map((isOdd) => ({ isOdd }))
}
