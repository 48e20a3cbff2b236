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
  it('holds the newest, and few more than are to be kept, however many are added', () => {
    const runs = new PackedRuns('w', 'i')
    for (let index = 1; index <= 1_000; index++) {
      runs.add(succeeded(index), index, 5)
      const decisions = runs.list().map(({ decision }) => decision)
      expect(decisions.length).toBeGreaterThanOrEqual(Math.min(index, 5))
      expect(decisions.length).toBeLessThanOrEqual(5 + 16)
      expect(decisions).toEqual(decisions.map((_, place) => index - decisions.length + 1 + place))
    }
    expect(runs.last?.record.runId).toBe('w.1000')
  })
})
