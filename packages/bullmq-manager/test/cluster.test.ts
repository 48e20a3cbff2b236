import { expect, it } from 'vitest'
import { runCluster } from './fixtures/cluster-run.ts'

it('three processes decide every slot of ten workers once, and no run overlaps another of its worker', async () => {
  const result = await runCluster({ processes: 3, workers: 10, durationMs: 6_000 })
  expect(result).toMatchObject({ twice: [], overlaps: [], undecided: [], problems: [] })
  expect(result.slots).toBeGreaterThanOrEqual(60)
  expect(result.pids.size).toBeGreaterThan(1)
})
