import { expect, it, vi } from 'vitest'
import { TestCluster, rarely } from './fixtures/cluster.ts'
import { Probe } from './fixtures/probe.ts'

it('a start does not wait for a setImmediate that a test has faked', async () => {
  await using cluster = await TestCluster.open()
  const manager = cluster.instance({ startTimeoutMs: 10_000 })
  await manager.add(new Probe().worker('tidy', rarely()))
  vi.useFakeTimers({ toFake: ['setImmediate'] })
  try {
    await manager.start()
  } finally {
    vi.useRealTimers()
  }
  expect(manager.state).toBe('running')
})
