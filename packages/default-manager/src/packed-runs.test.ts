import type { StartedRun } from '@background-workers/abstractions/for-managers'
import { describe, expect, it } from 'vitest'
import { PackedRuns } from './packed-runs.ts'

function succeeded(atMs: number): StartedRun {
  const runId = `w.${atMs}`
  const plan = { worker: { name: 'w' }, runId, kind: 'scheduled', scheduledForMs: atMs, lateByMs: 0, missedSlots: 0 }
  const end = { outcome: 'succeeded', finishedAtMs: atMs, durationMs: 0 } as const
  return { plan: { ...plan, kind: 'scheduled', by: undefined }, instanceId: 'i', startedAtMs: atMs, attempts: 1, end }
}

describe('PackedRuns', () => {
  it.each([5, 7, 20])('holds the newest, and no more than are to be kept (%i), however many are added', (keepRuns) => {
    const runs = new PackedRuns('w', 'i')
    for (let index = 1; index <= 1_000; index++) {
      runs.add(succeeded(index), index, keepRuns)
      const decisions = runs.list().map(({ decision }) => decision)
      expect(decisions.length).toBe(Math.min(index, keepRuns))
      expect(decisions).toEqual(decisions.map((_, place) => index - decisions.length + 1 + place))
    }
    expect(runs.last?.record.runId).toBe('w.1000')
  })

  it.each([
    { becomes: 3, kept: [6, 7, 8] },
    { becomes: 7, kept: [3, 4, 5, 6, 7, 8] },
    { becomes: 20, kept: [3, 4, 5, 6, 7, 8] },
  ])('keeps what it has, in its order, where another number ($becomes) is to be kept', ({ becomes, kept }) => {
    const runs = new PackedRuns('w', 'i')
    for (let index = 1; index <= 7; index++) runs.add(succeeded(index), index, 5)
    runs.add(succeeded(8), 8, becomes)
    expect(runs.list().map(({ decision }) => decision)).toEqual(kept)
    expect(runs.last?.decision).toBe(8)
    for (let index = 9; index <= 60; index++) runs.add(succeeded(index), index, becomes)
    expect(runs.list().map(({ decision }) => decision)).toEqual(
      Array.from({ length: becomes }, (_, at) => 61 - becomes + at),
    )
  })
})
