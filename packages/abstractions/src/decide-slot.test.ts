import { describe, expect, it } from 'vitest'
import { decideSlot } from './decide-slot.ts'
import type { Slot } from './due-slot.ts'
import { type PeriodicWorkerPolicy, fillPolicy } from './policy.ts'

const DUE = Date.UTC(2026, 0, 1)
const HOUR_MS = 3_600_000
const hourly: Slot = { dueAt: DUE, nextDueAt: DUE + HOUR_MS, missedSlots: 0 }
const idle = { paused: false }
const owner = (policy: PeriodicWorkerPolicy = {}) => ({ name: 'w', policy: fillPolicy(policy) })
const runs = (runKind: string, lateByMs: number) => ({ kind: 'run', runKind, startAt: DUE + lateByMs, lateByMs })
const misses = (lateByMs: number) => ({ kind: 'miss', reason: 'late', lateByMs })

describe('decideSlot', () => {
  it('waits for a slot that is not due yet, whatever the state', () => {
    for (const state of [idle, { paused: true }, { paused: false, activeRunId: 'r' }]) {
      expect(decideSlot(owner(), state, hourly, DUE - 1)).toEqual({ kind: 'wait', until: DUE })
    }
  })

  it('skips a slot of a paused worker, also when a run is active', () => {
    const expected = { kind: 'skip', reason: 'paused' }
    expect(decideSlot(owner(), { paused: true }, hourly, DUE)).toEqual(expected)
    expect(decideSlot(owner(), { paused: true, activeRunId: 'r' }, hourly, DUE)).toEqual(expected)
  })

  it('skips a slot that meets an active run and names that run, late or not', () => {
    const expected = { kind: 'skip', reason: 'overlap', blockedBy: 'w.1' }
    for (const now of [DUE, DUE + 10 * HOUR_MS]) {
      expect(decideSlot(owner(), { paused: false, activeRunId: 'w.1' }, hourly, now)).toEqual(expected)
    }
  })

  // lateness, policy, decision; the gap to the next slot is one hour
  it.each<[number, PeriodicWorkerPolicy, object]>([
    [0, {}, runs('scheduled', 0)],
    [1_000, {}, runs('scheduled', 1_000)],
    [1_001, {}, runs('catch-up', 1_001)],
    [HOUR_MS / 2, {}, runs('catch-up', HOUR_MS / 2)],
    [HOUR_MS / 2 + 1, {}, misses(HOUR_MS / 2 + 1)],
    [1_000, { misfire: 'skip' }, runs('scheduled', 1_000)],
    [1_001, { misfire: 'skip' }, misses(1_001)],
    [1_000, { catchUpWindowMs: 0 }, runs('scheduled', 1_000)],
    [1_001, { catchUpWindowMs: 0 }, misses(1_001)],
    [5_000, { catchUpWindowMs: 5_000 }, runs('catch-up', 5_000)],
    [5_001, { catchUpWindowMs: 5_000 }, misses(5_001)],
    [5 * HOUR_MS, { catchUpWindowMs: 6 * HOUR_MS }, runs('catch-up', 5 * HOUR_MS)],
  ])('takes a slot that is %d ms late, with policy %j, for %j', (lateByMs, policy, expected) => {
    expect(decideSlot(owner(policy), idle, hourly, DUE + lateByMs)).toEqual(expected)
  })

  it.each<[gapMs: number, lateByMs: number, expected: object]>([
    // Half the gap, at most one hour.
    [24 * HOUR_MS, HOUR_MS, runs('catch-up', HOUR_MS)],
    [24 * HOUR_MS, HOUR_MS + 1, misses(HOUR_MS + 1)],
    [4_000, 2_000, runs('catch-up', 2_000)],
    [4_000, 2_001, misses(2_001)],
    // On time is 1 s, or half the gap if that is less.
    [100, 50, runs('scheduled', 50)],
    [100, 51, misses(51)],
  ])('takes, with a gap of %d ms, a slot that is %d ms late for %j', (gapMs, lateByMs, expected) => {
    const slot = { ...hourly, nextDueAt: DUE + gapMs }
    expect(decideSlot(owner(), idle, slot, DUE + lateByMs)).toEqual(expected)
  })

  it('gives the last slot there is a window of one hour', () => {
    const last = { ...hourly, nextDueAt: undefined }
    expect(decideSlot(owner(), idle, last, DUE + HOUR_MS)).toEqual(runs('catch-up', HOUR_MS))
    expect(decideSlot(owner(), idle, last, DUE + HOUR_MS + 1)).toEqual(misses(HOUR_MS + 1))
  })

  it('calls a run a catch-up when slots were missed, also on time', () => {
    expect(decideSlot(owner(), idle, { ...hourly, missedSlots: 1 }, DUE)).toEqual(runs('catch-up', 0))
  })

  it('moves the start by the jitter, the same each time, and counts lateness from there', () => {
    const jittery = owner({ jitterMs: 60_000 })
    const first = decideSlot(jittery, idle, hourly, DUE)
    if (first.kind !== 'run') throw new Error(first.kind)
    expect(first.startAt).toBeGreaterThan(DUE)
    expect(first.startAt).toBeLessThanOrEqual(DUE + 60_000)
    expect(first.lateByMs).toBe(0)
    expect(decideSlot(jittery, idle, hourly, DUE + 1)).toEqual(first)
    expect(decideSlot(jittery, idle, hourly, first.startAt + 700)).toEqual({
      kind: 'run',
      runKind: 'scheduled',
      startAt: first.startAt + 700,
      lateByMs: 700,
    })
    const tooLate = first.startAt + HOUR_MS / 2 + 1
    expect(decideSlot(jittery, idle, hourly, tooLate)).toEqual(misses(HOUR_MS / 2 + 1))
  })

  it('gives each slot and each worker a jitter of its own, always below the gap', () => {
    const starts = new Set<number>()
    for (let index = 0; index < 200; index++) {
      const dueAt = DUE + index * 1_000
      const decision = decideSlot(
        { name: `w${index % 2}`, policy: fillPolicy({ jitterMs: HOUR_MS }) },
        idle,
        { dueAt, nextDueAt: dueAt + 1_000, missedSlots: 0 },
        dueAt,
      )
      if (decision.kind !== 'run') throw new Error(decision.kind)
      expect(decision.startAt - dueAt).toBeLessThan(1_000)
      starts.add(decision.startAt - dueAt)
    }
    expect(starts.size).toBeGreaterThan(100)
  })

  it('has no jitter where the gap leaves no room', () => {
    const slot = { dueAt: DUE, nextDueAt: DUE + 1, missedSlots: 0 }
    expect(decideSlot(owner({ jitterMs: 1_000 }), idle, slot, DUE)).toMatchObject({ kind: 'run', startAt: DUE })
  })
})
