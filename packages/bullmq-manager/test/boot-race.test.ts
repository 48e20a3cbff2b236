import { expect, it } from 'vitest'
import { raceBoots } from './fixtures/boot-race.ts'

it('a slot that 1,000 cron workers share has all their runs, once each, while three instances boot and stop across it', async () => {
  const races = await raceBoots({ workers: 1_000, slots: 3 })
  expect(races.length).toBeGreaterThanOrEqual(3)
  for (const race of races) {
    expect(race).toMatchObject({ runs: 1_000, strays: [], missing: [], ghosts: [], problems: [] })
  }
}, 600_000)
