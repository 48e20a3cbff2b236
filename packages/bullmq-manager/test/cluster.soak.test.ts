import { expect, it } from 'vitest'
import { runCluster } from './fixtures/cluster-run.ts'

it('three processes decide every slot of fifty workers once for a minute, and no run overlaps another of its worker', async () => {
  const result = await runCluster({ processes: 3, workers: 50, durationMs: 60_000 })
  console.info(`${result.slots} slots, ${result.runs} runs in ${result.pids.size} processes`)
  expect(result).toMatchObject({ twice: [], overlaps: [], undecided: [], problems: [] })
  expect(result.slots).toBeGreaterThanOrEqual(3_000)
  expect(result.pids.size).toBe(3)
}, 180_000)
