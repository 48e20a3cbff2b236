import { EventHub, HealthMonitor, WorkerReports, safeLogger } from '@background-workers/abstractions/for-managers'
import { RecordingLogger } from '@background-workers/abstractions/testing'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { Keys } from './keys.ts'
import { Reconciler, type ReconcilerParts } from './reconciler.ts'
import { RedisClock } from './redis-clock.ts'
import { WorkerWatch } from './worker-watch.ts'

const NOW = Date.UTC(2026, 0, 1)
const HOUR_MS = 3_600_000

/** A reconciler on a Redis that holds nothing, whose clock and version are of the test's choice. */
function createReconciler() {
  const redis = { at: NOW, version: '0' }
  const read = vi.fn(async () => [])
  const logger = safeLogger(new RecordingLogger())
  const events = new EventHub(logger)
  const health = new HealthMonitor(events)
  const clock = new RedisClock()
  const entries = new Map()
  const reports = new WorkerReports(logger, events, health)
  const beat = async () => ({
    time: [Math.floor(redis.at / 1_000), 0],
    instances: [],
    version: redis.version,
    schedulerCount: 0,
    firstNextAt: undefined,
    cancels: new Map(),
    hasNames: true,
  })
  const parts = {
    options: { isEnabled: true, release: 0, queues: ['default'], orphanGraceMs: HOUR_MS },
    instanceId: 'me',
    keys: new Keys('shop'),
    clock,
    health,
    logger,
    events,
    reports,
    entries,
    watch: new WorkerWatch({ clock, health, reports, logger, entries, decideOverdue: () => {} }),
    store: { readFields: read, workersOf: () => ({ version: redis.version, workers: new Map() }) },
    schedulers: { readAll: async () => new Map() },
    instances: { beat, readNames: async () => new Set() },
  } as unknown as ReconcilerParts
  const reconciler = new Reconciler(parts)
  /** So much time passes, and it beats. */
  const passes = async (ms: number, redisMs = ms) => {
    vi.advanceTimersByTime(ms)
    redis.at += redisMs
    await reconciler.beat()
  }
  return { reconciler, redis, passes, reads: () => read.mock.calls.length }
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] })
})
afterEach(() => {
  vi.useRealTimers()
})

it('settles in for 20 s, also when the clock of Redis is set back meanwhile', async () => {
  const { reconciler, passes } = createReconciler()
  await reconciler.start()
  await passes(10_000, -HOUR_MS)
  expect(reconciler.isSettlingIn).toBe(true)
  await passes(10_000)
  expect(reconciler.isSettlingIn).toBe(false)
})

it('looks for what is ahead of the clock every five minutes, however often something else makes it look', async () => {
  const { reconciler, redis, passes, reads } = createReconciler()
  await reconciler.start()
  // Its second beat looks too.
  await passes(10_000)
  for (let minute = 0; minute < 5; minute++) {
    redis.version = `${minute}`
    await passes(60_000)
  }
  const before = reads()
  await passes(10_000)
  expect(reads()).toBe(before + 1)
  await passes(10_000)
  expect(reads()).toBe(before + 1)
})
