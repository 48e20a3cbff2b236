import type { IBackgroundWorkerManager, WorkerStatus } from '@background-workers/abstractions'
import type { BatchObservableCallback } from '@opentelemetry/api'
import { MeterProvider } from '@opentelemetry/sdk-metrics'
import { describe, expect, it, vi } from 'vitest'
import { CollectingReader } from '../test/telemetry.ts'
import { MAX_GONE, WorkerGauges } from './worker-gauges.ts'

const BATCHES = 3
/** Each is there for one collection. */
const NAMES = Array.from({ length: BATCHES * MAX_GONE }, (_, index) => `w${index}`)

describe('WorkerGauges', () => {
  it('tells of names that come and go that they are gone, and of so many only goes on to tell it', async () => {
    const { batch, collect, observed } = setUp()
    for (let index = 0; index <= BATCHES; index++) {
      batch(index)
      await collect()
    }
    expect(observed.size).toBe(NAMES.length)
    expect([...observed.values()].every((values) => values.at(-1) === 0)).toBe(true)
    observed.clear()
    await collect()
    expect([...observed.keys()]).toEqual(NAMES.slice(-MAX_GONE))
  })

  it('leaves it to the SDK to repeat that for each of its readers', async () => {
    const readers = [reader(), reader()] as const
    const { batch, meterProvider } = setUp(readers)
    for (let index = 0; index <= BATCHES; index++) {
      batch(index)
      await readers[0].collect()
    }
    for (const each of readers) {
      const { resourceMetrics } = await each.collect()
      const metrics = resourceMetrics.scopeMetrics.flatMap(({ metrics }) => metrics)
      const points = metrics.find(({ descriptor }) => descriptor.name === 'background_workers.workers')?.dataPoints
      expect(points).toHaveLength(2 * NAMES.length)
      expect(points?.every(({ value }) => value === 0)).toBe(true)
    }
    await meterProvider.shutdown()
  })
})

const reader = () => new CollectingReader({ cardinalitySelector: () => 4 * NAMES.length })

function setUp(readers: readonly CollectingReader[] = []) {
  let statuses: WorkerStatus[] = []
  const manager = { list: async () => statuses } as unknown as IBackgroundWorkerManager
  const meterProvider = new MeterProvider({ readers: [...readers] })
  const meter = meterProvider.getMeter('test')
  const add = vi.spyOn(meter, 'addBatchObservableCallback')
  new WorkerGauges(manager, meter, { common: {}, isOurs: () => true, clock: Date })
  const callback = add.mock.calls[0]?.[0] as BatchObservableCallback
  const observed = new Map<string, number[]>()
  const observe = (_: unknown, value: number, attributes: object = {}) => {
    const name = (attributes as Record<string, string>)['background_workers.worker.name'] as string
    observed.set(name, [...(observed.get(name) ?? []), value])
  }
  return {
    meterProvider,
    observed,
    /** The workers that are there now; none after the last batch. */
    batch: (index: number) => {
      const names = NAMES.slice(index * MAX_GONE, (index + 1) * MAX_GONE)
      statuses = names.map((name) => ({ name, state: 'idle', recentOutcomes: [], consecutiveFailures: 0 }))
    },
    collect: async () => callback({ observe }),
  }
}
