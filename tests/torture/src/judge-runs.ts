import {
  type LeaseOverlap,
  ON_TIME_MS,
  allowedStarts,
  claimForgotten,
  clockSetBack,
  couldLoseLease,
  leaseOverlap,
  runningMs,
} from './allowances.ts'
import { TAKE_OVER_MS } from './script.ts'
import { type Violation, type WorkerCase, violation } from './worker-case.ts'

/** No run starts more often than its policy allows, nor before its slot, nor without heed to its timeout. */
export function judgeStarts({ worker, history, bodies }: WorkerCase): Violation[] {
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
export function judgeOverlaps({ worker, history, bodies }: WorkerCase) {
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
export function judgeRecords({ worker, history, bodies }: WorkerCase, periodMs: number): Violation[] {
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
