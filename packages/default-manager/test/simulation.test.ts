import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { scripts } from './simulation/script.ts'
import { simulate } from './simulation/simulate.ts'

/** Each seed is a script of so many steps of its own. */
const STEPS = 10_000
const SEEDS = 20

describe('the default manager under a random script', () => {
  it(`keeps its promises: ${SEEDS} seeds of ${STEPS} steps`, async () => {
    const seen: Record<string, number> = {}
    const one = fc.asyncProperty(scripts(STEPS), async (script) => {
      for (const [kind, count] of Object.entries(await simulate(script))) seen[kind] = (seen[kind] ?? 0) + count
    })
    const t0 = performance.now()
    for (let seed = 5; seed <= SEEDS; seed++) await fc.assert(one, { seed, numRuns: 1, interruptAfterTimeLimit: 5_000 })
    console.log(seen, performance.now() - t0)
    expect(Object.keys(seen).sort()).toEqual([])
  }, 120_000)
})
