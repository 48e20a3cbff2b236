import { describe, it } from 'vitest'
import { simulateSeeds } from './simulation/seeds.ts'

describe('the default manager under a random script of 10,000 steps', () => {
  it('keeps its promises with the seeds 1 to 100', () => simulateSeeds(1, 100, 10_000), 1_800_000)
})
