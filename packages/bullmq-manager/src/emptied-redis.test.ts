import { every } from '@background-workers/abstractions'
import { EventHub, SafeLogger, fillPolicy } from '@background-workers/abstractions/for-managers'
import { RecordingLogger } from '@background-workers/abstractions/testing'
import { describe, expect, it } from 'vitest'
import { TestCluster } from '../test/fixtures/cluster.ts'
import { lostWorkers as lostBy, restoreWorkers } from './emptied-redis.ts'
import { Keys } from './keys.ts'
import type { Store } from './store.ts'
import { type StoredWorker, type StoredWorkers, firstVersion } from './stored-worker.ts'
import { withWriteLock } from './write-lock.ts'

const definition = {
  schedule: every('1h'),
  policy: fillPolicy({}),
  release: 1,
  declaredAt: 1,
  instanceId: 'me',
  since: 1,
  order: 0,
}
const paused = { note: 'until Monday', since: new Date(1) }
const override = { schedule: every('2h'), since: new Date(2) }

const none = { name: 'digest', recentOutcomes: [], consecutiveFailures: 0 }
const digest: StoredWorker = { ...none, definition, paused, override }

const [LIFE, NEXT_LIFE] = ['50000000000000', '70000000000000']
const known = all(digest)

function all(worker: StoredWorker | undefined, version = LIFE): StoredWorkers {
  return { version, workers: new Map(worker && [[worker.name, worker]]) }
}

const NOW = 1_000_000

function lostWorkers(...[stored, known]: [StoredWorkers, StoredWorkers]) {
  return lostBy(stored, known, NOW)
}

describe('lostWorkers', () => {
  it('counts from now, but where it was declared anew from what has been decided since', () => {
    expect(lostWorkers(all(undefined, '0'), known)).toMatchObject([{ decidedUpTo: NOW }])
    const anew = { ...none, definition: { ...definition, since: 2 } }
    expect(lostWorkers(all(anew, NEXT_LIFE), known)).toMatchObject([{ decidedUpTo: undefined }])
  })

  const whole = [{ name: 'digest', definition, paused, override }]

  it('are none that somebody has resumed, rescheduled or deleted', () => {
    expect(lostWorkers(all({ ...none, definition }, '50000000000001'), known)).toEqual([])
    expect(lostWorkers(all({ ...none, definition: { ...definition, since: 2 } }), known)).toEqual([])
    expect(lostWorkers(all(undefined), known)).toEqual([])
  })

  it('are all that were known when nothing was written since', () => {
    expect(lostWorkers(all(undefined, '0'), known)).toMatchObject(whole)
    expect(lostWorkers(all({ ...none, decidedUpTo: 3 }, '0'), known)).toMatchObject(whole)
    // Of data that was there before versions began with a life.
    expect(lostWorkers(all(undefined, '0'), all(digest, '700'))).toMatchObject(whole)
  })

  it('are also those that an instance has declared which knew nothing of them', () => {
    const declared = { ...definition, release: 2, instanceId: 'newcomer' }
    const anew = { ...none, definition: { ...declared, since: 2, order: 7 } }
    const restored = { name: 'digest', definition: declared }
    expect(lostWorkers(all(anew, NEXT_LIFE), known)).toMatchObject([{ ...restored, paused, override }])
    const since = { paused: { since: new Date(3) }, override: { schedule: every('3h'), since: new Date(3) } }
    expect(lostWorkers(all({ ...anew, ...since }, NEXT_LIFE), known)).toMatchObject([{ ...restored, ...since }])
  })

  it('lose the override where the schedule was changed in the code meanwhile, and not by an older release', () => {
    const lostBeside = (anew: typeof definition) =>
      lostWorkers(all({ ...none, definition: anew }, NEXT_LIFE), known).map(({ dropsOverride, ...lost }) => ({
        ...lost,
        override: dropsOverride ? undefined : lost.override,
      }))
    const changed = { ...definition, schedule: every('5m'), since: 2 }
    expect(lostBeside(changed)).toMatchObject([{ definition: { ...changed, since: 1 }, paused, override: undefined }])
    expect(lostBeside({ ...changed, release: 0 })).toMatchObject([{ definition, paused, override }])
  })

  it('are none that another instance has restored, whatever became of them since', () => {
    expect(lostWorkers(all({ ...none, definition }, NEXT_LIFE), known)).toEqual([])
  })

  it('are none that were removed, before or since', () => {
    expect(lostWorkers(all({ ...none, removedAt: 3 }, NEXT_LIFE), known)).toEqual([])
    expect(lostWorkers(all(undefined, '0'), all({ ...none, removedAt: 3 }))).toEqual([])
  })

  it('are none at a start, which knows nothing', () => {
    expect(lostWorkers(all(digest), { version: '', workers: new Map() })).toEqual([])
  })
})

it('a life begins at random, and Redis can count on from there', async () => {
  await using cluster = await TestCluster.open()
  const versions = new Set(Array.from({ length: 100 }, firstVersion))
  expect(versions.size).toBeGreaterThan(90)
  for (const version of versions) {
    await cluster.redis.hset(cluster.key('workers'), 'version', version)
    await cluster.redis.hincrby(cluster.key('workers'), 'version', 1_000_000)
    const counted = await cluster.redis.hget(cluster.key('workers'), 'version')
    expect(lostWorkers(all(undefined, String(counted)), all(digest, version))).toEqual([])
  }
})

it('restores a worker whole or not at all, wherever its process ends', async () => {
  await using cluster = await TestCluster.open()
  const store = cluster.store()
  const ended = () => Promise.reject(new Error('the process has ended'))
  const ending = { declare: store.declare.bind(store), setPause: ended, setOverride: ended } as unknown as Store
  const logger = new SafeLogger(new RecordingLogger())
  const parts = { store: ending, events: new EventHub(logger), logger }
  const lost = lostWorkers(await store.readAll(), known)
  await withWriteLock(cluster.redis, new Keys(cluster.applicationName), async (lockToken) => {
    expect(await restoreWorkers(lost, 1, lockToken, parts)).toBe(true)
  })
  expect(await store.read('digest')).toMatchObject({ definition: { since: 1 }, paused, override })
})

it('neither restores nor says anything once another instance may write', async () => {
  await using cluster = await TestCluster.open()
  const store = cluster.store()
  const recording = new RecordingLogger()
  const logger = new SafeLogger(recording)
  const events = new EventHub(logger)
  const told: unknown[] = []
  events.on('schedules-repaired', (event) => told.push(event))
  await cluster.redis.set(cluster.key('write-lock'), 'of another')
  const lost = lostWorkers(await store.readAll(), known)
  expect(await restoreWorkers(lost, 1, 'ours', { store, events, logger })).toBe(false)
  expect([await cluster.storedWorkers(), told, recording.lines]).toEqual([{}, [], []])
})

it('says which overrides are gone because the code has changed meanwhile', async () => {
  await using cluster = await TestCluster.open()
  const store = cluster.store()
  const logger = new SafeLogger(new RecordingLogger())
  const events = new EventHub(logger)
  const told: unknown[] = []
  events.on('override-dropped', (event) => told.push(event))
  await cluster.redis.set(cluster.key('write-lock'), 'ours')
  const changed = { ...definition, schedule: every('5m'), since: 2 }
  const lost = lostWorkers(all({ ...none, definition: changed }, NEXT_LIFE), known)
  expect(await restoreWorkers(lost, 1, 'ours', { store, events, logger })).toBe(true)
  expect(told).toEqual([{ worker: 'digest', override: override.schedule, declared: changed.schedule }])
  const { definition: declared, override: left, paused: still } = await store.read('digest')
  expect([declared?.schedule, left, still]).toEqual([changed.schedule, undefined, paused])
})
