import { expect, it } from 'vitest'
import { raceBoots } from './fixtures/boot-race.ts'

it('a slot that 1,000 cron workers share has all their runs, once each, while instances boot and stop across it', async () => {
  const result = await raceBoots({ workers: 1_000, periodS: 5, boots: 8 })
  console.info(
    `runs per slot: ${result.runsPerSlot.join(' ')}; boots in ms: ${result.bootMs.map(Math.round).join(' ')}`,
  )
  expect(result).toMatchObject({ missing: [], duplicates: [], ghosts: [], problems: [], schedulers: 1_000 })
  expect(result.slots).toBeGreaterThanOrEqual(9)
  expect(result.runsPerSlot).toEqual(result.runsPerSlot.map(() => 1_000))
}, 300_000)
