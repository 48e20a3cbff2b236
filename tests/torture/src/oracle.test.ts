import { describe, expect, it } from 'vitest'
import { ForgedHistory, PERIOD_MS, SLOT, kindsOf } from '../test/forged-history.ts'
import { judge } from './oracle.ts'

describe('judge', () => {
  it.each(['bullmq', 'default'] as const)('finds nothing in a history without faults (%s)', (manager) => {
    expect(kindsOf(() => {}, manager)).toEqual([])
  })

  it('counts slots, runs and what did not run', () => {
    const forged = new ForgedHistory('bullmq')
    forged.skip(SLOT, { outcome: 'missed', reason: 'late' })
    const [figures] = judge(forged.history()).figures
    expect(figures).toMatchObject({
      slots: 60,
      runs: 59,
      missed: 1,
      skipped: 0,
      notOwed: 0,
      longestSilenceMs: 2 * PERIOD_MS,
    })
  })

  it('reports what a process says', () => {
    expect(kindsOf((history) => history.problem('unhandled: Error'))).toEqual(['problem'])
  })
})
