import { expect, it } from 'vitest'
import { raceBoots } from './fixtures/boot-race.ts'

it('every one of 12 slots that 1,000 cron workers share has all its runs, once each, while three instances boot and stop across it', async () => {
  const races = await raceBoots({ workers: 1_000, slots: 12 })
  console.info(`boots under way when their slot came: ${races.map(({ bootsAcross }) => bootsAcross).join(' ')}`)
  expect(races.length).toBeGreaterThanOrEqual(12)
  for (const race of races) {
    expect(race).toMatchObject({ runs: 1_000, strays: [], missing: [], ghosts: [], problems: [] })
  }
}, 900_000)
