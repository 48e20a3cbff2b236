import assert from 'node:assert/strict'
import fc from 'fast-check'
import { scripts } from './script.ts'
import { simulate } from './simulate.ts'

/** How long a failing script is made shorter before it is shown. */
const SHRINKING_MS = 60_000

/** What must have been seen, lest a simulation proves nothing. */
const KINDS_OF_DECISION = [
  'aborted/cancelled',
  'aborted/stop',
  'failed',
  'failed/timeout',
  'missed/late',
  'skipped/overlap',
  'skipped/paused',
  'succeeded',
]

/** Simulates one script per seed. A failure shows the seed and the shortest script that was found. */
export async function simulateSeeds(firstSeed: number, lastSeed: number, steps: number): Promise<void> {
  const seen = new Set<string>()
  const keepsItsPromises = fc.asyncProperty(scripts(steps), async (script) => {
    for (const kind of Object.keys(await simulate(script))) seen.add(kind)
  })
  for (let seed = firstSeed; seed <= lastSeed; seed++) {
    await fc.assert(keepsItsPromises, { seed, numRuns: 1, interruptAfterTimeLimit: SHRINKING_MS })
  }
  assert.deepEqual([...seen].sort(), KINDS_OF_DECISION)
}
