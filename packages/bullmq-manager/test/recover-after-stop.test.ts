import { describe, expect, it } from 'vitest'
import { TestCluster, rarely, untilOver, untilRecords } from './fixtures/cluster.ts'
import { Probe } from './fixtures/probe.ts'
import { until } from './fixtures/until.ts'

/** An instance with one worker that runs until its signal is aborted, the first time it is called on any instance. */
function startExport(cluster: TestCluster, probe: Probe, onCrash: 'recover' | 'next-slot') {
  const worker = probe.worker('export', rarely(), {
    policy: { onCrash },
    async doWork({ signal }) {
      if (probe.calls.length === 1) await new Promise((resolve) => signal.addEventListener('abort', resolve))
    },
  })
  return cluster.start([worker], { stopTimeoutMs: 0 })
}

describe.concurrent('a run that a stop has aborted', () => {
  it('is run again once with onCrash recover, under its own run id', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const first = await startExport(cluster, probe, 'recover')
    const runId = await first.trigger('export')
    await until('it runs', () => probe.calls.length === 1)
    await first.stop()

    const second = await startExport(cluster, probe, 'recover')
    const records = await untilRecords(second, 'export', ([newest]) => newest?.outcome === 'succeeded')
    expect(probe.calls.map((call) => call.runId)).toEqual([runId, runId])
    expect(records.map(({ runId: id, outcome, reason }) => [id, outcome, reason])).toEqual([
      [runId, 'succeeded', undefined],
      [runId, 'aborted', 'stop'],
    ])
  })

  it('is not run again without it', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const first = await startExport(cluster, probe, 'next-slot')
    const runId = await first.trigger('export')
    await until('it runs', () => probe.calls.length === 1)
    await first.stop()

    const second = await startExport(cluster, probe, 'next-slot')
    const next = await second.trigger('export')
    expect(await untilOver(second, next)).toMatchObject({ outcome: 'succeeded' })
    expect(probe.calls.map((call) => call.runId)).toEqual([runId, next])
  })
})
