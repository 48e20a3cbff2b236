import { afterEach, expect, it, vi } from 'vitest'
import { TestCluster, rarely } from './fixtures/cluster.ts'
import { Probe } from './fixtures/probe.ts'

afterEach(() => {
  vi.useRealTimers()
})

it('neither a start nor a stop waits for a setImmediate that a test has faked', async () => {
  await using cluster = await TestCluster.open()
  const manager = cluster.instance({ startTimeoutMs: 10_000 })
  await manager.add(new Probe().worker('tidy', rarely()))
  vi.useFakeTimers({ toFake: ['setImmediate'] })
  await manager.start()
  expect(manager.state).toBe('running')
  await manager.stop()
  expect(manager.state).toBe('stopped')
})
