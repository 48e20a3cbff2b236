import { RecordingLogger } from '@background-workers/abstractions/testing'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { TestCluster, listen, rarely } from './fixtures/cluster.ts'
import { Probe } from './fixtures/probe.ts'
import { until } from './fixtures/until.ts'

// The clocks are compared at a heartbeat; half a lease is 2 s.
vi.mock('../src/reconciler.ts', async (original) => ({ ...(await original<object>()), BEAT_MS: 300 }))
vi.mock('../src/leases.ts', async (original) => ({ ...(await original<object>()), LEASE_MS: 4_000 }))

// One after the other: each changes what is the same for the whole process.
describe('what is wrong with the process', () => {
  afterEach(() => void vi.restoreAllMocks())

  it.each([5_000, -5_000])('a clock that is %d ms ahead of Redis degrades health until it is set', async (skewMs) => {
    await using cluster = await TestCluster.open()
    const logger = new RecordingLogger()
    const manager = await cluster.start([new Probe().worker('digest', rarely())], { logger })
    const added = listen(manager, 'health-reason-added')
    const cleared = listen(manager, 'health-reason-cleared')
    const now = Date.now.bind(Date)
    const shifted = vi.spyOn(Date, 'now').mockImplementation(() => now() + skewMs)
    await until('it is told', () => added.some(({ code }) => code === 'clock-skew'))
    // A slow machine may stand still besides.
    const reasons = (await manager.health()).reasons.filter(({ code }) => code !== 'event-loop-lag')
    expect(reasons).toMatchObject([
      { code: 'clock-skew', message: expect.stringMatching(skewMs > 0 ? /ahead of/ : /behind/) },
    ])
    expect(logger.lines.filter(({ data }) => 'skewMs' in data)).toHaveLength(1)
    shifted.mockRestore()
    await until('it is over', () => cleared.some(({ code }) => code === 'clock-skew'))
    await until('all is well', async () => (await manager.health()).status === 'ok')
  })

  it('an event loop that stands still for more than half a lease is told with its lag', async () => {
    await using cluster = await TestCluster.open()
    const logger = new RecordingLogger()
    const manager = await cluster.start([new Probe().worker('digest', rarely())], { logger })
    const added = listen(manager, 'health-reason-added')
    const endsAt = performance.now() + 3_500
    while (performance.now() < endsAt);
    await until('it is told', () => added.some(({ code }) => code === 'event-loop-lag'))
    const [line] = logger.lines.filter(({ data }) => 'lagMs' in data)
    expect(line?.data).toMatchObject({ limitMs: 2_000 })
    expect(line?.data.lagMs).toBeGreaterThan(2_000)
    expect((await manager.health()).reasons.map(({ code }) => code)).toContain('event-loop-lag')
    await manager.stop()
    expect((await manager.health()).reasons.map(({ code }) => code)).toEqual(['not-running'])
  })
})
