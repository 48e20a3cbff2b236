import { describe, it } from 'vitest'
import { simulateSeeds } from './simulation/seeds.ts'

describe('the default manager under a random script of 10,000 steps', () => {
  it('keeps its promises with the seeds 101 to 200', () => simulateSeeds(101, 200, 10_000), 1_800_000)
})
