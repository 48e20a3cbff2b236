import { expect, it } from 'vitest'
import { raceBoots } from './fixtures/boot-race.ts'

it('a slot that 200 cron workers share has all their runs, once each, while instances boot and stop across it', async () => {
  const result = await raceBoots({ workers: 200, periodS: 10, boots: 1 })
  expect(result).toMatchObject({ missing: [], duplicates: [], ghosts: [], problems: [], schedulers: 200 })
  expect(result.slots).toBeGreaterThanOrEqual(3)
  expect(result.runsPerSlot).toEqual(result.runsPerSlot.map(() => 200))
})
