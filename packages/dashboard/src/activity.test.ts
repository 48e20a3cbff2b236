import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { StubManager, runRecord, workerStatus } from '../test/fixtures/stub-manager.ts'
import { ACTIVITY_MINUTES, Activity } from './activity.ts'

const NOW = Date.UTC(2026, 0, 1, 12, 0, 30)

function ended(worker: string, finishedAt: number, outcome: 'succeeded' | 'failed' | 'lost' | 'skipped' = 'succeeded') {
  const { startedAt: _, ...rest } = runRecord(worker, { outcome, finishedAt: new Date(finishedAt) })
  return outcome === 'skipped' ? rest : { ...rest, startedAt: new Date(finishedAt - 10) }
}

describe('Activity', () => {
  it('counts runs and failures by the minute in which they ended', () => {
    const manager = new StubManager()
    const activity = new Activity(manager, () => NOW)
    manager.emit('run-finished', ended('a', NOW - 60_000))
    manager.emit('run-finished', ended('a', NOW, 'failed'))
    manager.emit('run-finished', ended('b', NOW, 'lost'))
    manager.emit('run-finished', ended('c', NOW))
    const minutes = activity.minutes()
    expect(minutes).toHaveLength(ACTIVITY_MINUTES)
    expect(minutes.slice(-2)).toEqual([
      { startMs: NOW - 90_000, runs: 1, failures: 0 },
      { startMs: NOW - 30_000, runs: 3, failures: 2 },
    ])
    expect(minutes.slice(0, -2).every(({ runs }) => runs === 0)).toBe(true)
  })

  it('counts no run twice that an event and a list tell of, in whatever order', () => {
    const manager = new StubManager()
    const activity = new Activity(manager, () => NOW)
    const first = ended('a', NOW - 20)
    const second = ended('a', NOW - 10)
    const stale = [workerStatus('a', { lastRun: first })]
    manager.emit('run-finished', first)
    manager.emit('run-finished', second)
    // Read before the second run ended, and looked at after it.
    activity.look(stale)
    activity.look([workerStatus('a', { lastRun: second })])
    manager.emit('run-finished', second)
    expect(activity.minutes().at(-1)?.runs).toBe(2)
  })

  it('counts each run of a worker that ends several in one ms', () => {
    const manager = new StubManager()
    const activity = new Activity(manager, () => NOW)
    for (const runId of ['a.1', 'a.2', 'a.2', 'a.1']) manager.emit('run-finished', { ...ended('a', NOW), runId })
    expect(activity.minutes().at(-1)?.runs).toBe(2)
  })

  it('goes on counting when the clock has been set back', () => {
    let now = NOW + 86_400_000
    const manager = new StubManager()
    const activity = new Activity(manager, () => now)
    const ahead = ended('a', now)
    manager.emit('run-finished', ahead)
    now = NOW
    // Until the next run has ended the list has the one that is ahead.
    activity.look([workerStatus('a', { lastRun: ahead })])
    const next = ended('a', now)
    manager.emit('run-finished', next)
    manager.emit('run-finished', ended('a', now + 10))
    activity.look([workerStatus('a', { lastRun: next })])
    expect(activity.minutes().at(-1)?.runs).toBe(2)
    now += 86_400_000
    expect(activity.minutes().at(-1)?.runs).toBe(1)
  })

  it('counts what other instances have run by the lists that are read', () => {
    const activity = new Activity(new StubManager(), () => NOW)
    activity.look([workerStatus('a', { lastRun: ended('a', NOW) }), workerStatus('b')])
    expect(activity.minutes().at(-1)?.runs).toBe(1)
  })

  it('does not count what never ran, nor what ended more than an hour ago', () => {
    const manager = new StubManager()
    const activity = new Activity(manager, () => NOW)
    manager.emit('run-finished', ended('a', NOW, 'skipped'))
    manager.emit('run-finished', ended('b', NOW - ACTIVITY_MINUTES * 60_000))
    expect(activity.minutes().reduce((sum, { runs }) => sum + runs, 0)).toBe(0)
  })

  it('forgets minutes that are over an hour old', () => {
    let now = NOW
    const manager = new StubManager()
    const activity = new Activity(manager, () => now)
    manager.emit('run-finished', ended('a', now))
    now += 61 * 60_000
    manager.emit('run-finished', ended('a', now))
    expect(activity.minutes().reduce((sum, { runs }) => sum + runs, 0)).toBe(1)
  })

  it('forgets workers whose last run ended over an hour ago, also while nobody looks', () => {
    const set = vi.spyOn(Map.prototype, 'set')
    onTestFinished(() => set.mockRestore())
    let now = NOW
    const manager = new StubManager()
    const activity = new Activity(manager, () => now)
    for (let index = 0; index < 1_000; index++) {
      now += 60_000
      manager.emit('run-finished', ended(`once-${index}`, now))
    }
    const sizes = (set.mock.contexts as Map<unknown, unknown>[]).map(({ size }) => size)
    expect(Math.max(...sizes)).toBe(ACTIVITY_MINUTES)
    expect(activity.minutes().every(({ runs }) => runs === 1)).toBe(true)
  })

  it('takes its listener back', () => {
    const manager = new StubManager()
    const activity = new Activity(manager)
    expect(manager.listenerCount).toBe(1)
    activity.close()
    expect(manager.listenerCount).toBe(0)
  })
})
