import { expect, it } from 'vitest'
import { raceBoots } from './fixtures/boot-race.ts'

it('a slot that 300 cron workers share has all their runs, once each, while instances boot and stop across it', async () => {
  const result = await raceBoots({ workers: 300, boots: 1 })
  expect(result).toMatchObject({ missing: [], duplicates: [], ghosts: [], problems: [], schedulers: 300 })
  expect(result.runsPerSlot.length).toBeGreaterThanOrEqual(3)
  expect(new Set(result.runsPerSlot)).toEqual(new Set([300]))
}, 90_000)
