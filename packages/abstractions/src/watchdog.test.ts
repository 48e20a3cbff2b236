import { describe, expect, it } from 'vitest'
import type { RunOutcome } from './run-record.ts'
import { type WatchedWorker, findWrong } from './watchdog.ts'

const NOW = Date.UTC(2026, 0, 1)

function codesOf(worker: Partial<WatchedWorker>) {
  const watched: WatchedWorker = {
    name: 'digest',
    isScheduled: true,
    dueAtMs: NOW + 60_000,
    hasRun: true,
    recentOutcomes: [],
    ...worker,
  }
  return findWrong(watched, NOW).map(({ code }) => code)
}

describe('findWrong', () => {
  it('finds nothing wrong with a worker whose next slot is to come', () => {
    expect(codesOf({})).toEqual([])
    expect(codesOf({ hasRun: false })).toEqual([])
  })

  it('calls a worker overdue when its slot was due more than 10 s ago, and says when', () => {
    expect(codesOf({ dueAtMs: NOW - 10_000 })).toEqual([])
    expect(codesOf({ dueAtMs: NOW - 10_001 })).toEqual(['overdue'])
    const due = { name: 'digest', isScheduled: true, dueAtMs: NOW - 60_000, hasRun: true, recentOutcomes: [] }
    expect(findWrong(due, NOW)).toEqual([
      {
        worker: 'digest',
        code: 'overdue',
        message: 'Worker "digest" has a slot that nobody has decided: it was due at 2025-12-31T23:59:00.000Z.',
        dueAt: new Date(NOW - 60_000),
      },
    ])
  })

  it('says that a worker has no next slot when its schedule has none, and why when it gets none', () => {
    expect(codesOf({ dueAtMs: undefined })).toEqual(['no-next-slot'])
    expect(codesOf({ isSilentBecause: 'its job is gone.' })).toEqual(['no-next-slot'])
  })

  it('expects no slots of a worker that is paused, not ready or orphaned', () => {
    const silent = {
      dueAtMs: undefined,
      hasRun: false,
      recentOutcomes: ['missed', 'missed'],
    } satisfies Partial<WatchedWorker>
    expect(codesOf({ ...silent, isScheduled: false })).toEqual([])
    expect(codesOf({ ...silent, isOrphaned: true })).toEqual(['orphaned'])
  })

  it.each<[RunOutcome[], boolean, string[]]>([
    [['missed'], false, []],
    [['missed', 'skipped'], false, ['never-ran']],
    [['missed', 'skipped'], true, []],
    [[], false, []],
  ])('after %j, and having run: %j, finds %j', (recentOutcomes, hasRun, codes) => {
    expect(codesOf({ recentOutcomes, hasRun })).toEqual(codes)
  })

  it('does not say that a worker never ran when it says that it has no handler', () => {
    expect(codesOf({ hasNoHandler: true, hasRun: false, recentOutcomes: ['skipped', 'skipped'] })).toEqual([
      'no-handler',
    ])
  })

  it.each<[RunOutcome[], boolean]>([
    [['succeeded', 'lost'], true],
    [['lost', 'failed', 'skipped'], true],
    [['lost', 'succeeded'], false],
    [['lost', 'succeeded', 'failed'], false],
  ])('after %j a run counts as lost: %j', (recentOutcomes, isLost) => {
    expect(codesOf({ recentOutcomes })).toEqual(isLost ? ['lost'] : [])
    // Also of one that is paused.
    expect(codesOf({ recentOutcomes, isScheduled: false })).toEqual(isLost ? ['lost'] : [])
  })
})
