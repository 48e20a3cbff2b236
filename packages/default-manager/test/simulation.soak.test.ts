import { describe, it } from 'vitest'
import { simulateSeeds } from './simulation/seeds.ts'

describe('the default manager under a random script of 10,000 steps', () => {
  it('keeps its promises with the seeds 201 to 500', () => simulateSeeds(201, 500, 10_000), 7_200_000)
})
