import type { RunOutcome, RunRecord } from '@background-workers/abstractions'
import { describe, expect, it } from 'vitest'
import { RunHistory } from './run-history.ts'

const START = Date.UTC(2026, 0, 1)

function record(runId: string, outcome?: RunOutcome, atMs = START): RunRecord {
  return {
    runId,
    worker: 'w',
    kind: 'scheduled',
    scheduledFor: new Date(atMs),
    startedAt: new Date(atMs),
    attempts: 1,
    instanceId: 'i',
    ...(outcome && { outcome, finishedAt: new Date(atMs) }),
  }
}

function run(history: RunHistory, runId: string, outcome: RunOutcome, keepRuns = 100, atMs = START): void {
  history.begin(record(runId, undefined, atMs), keepRuns)
  history.finish(record(runId, outcome, atMs), keepRuns)
}

const ids = (history: RunHistory, limit = Number.POSITIVE_INFINITY) => history.list(limit).map(({ runId }) => runId)

describe('RunHistory', () => {
  it('is empty at first', () => {
    const history = new RunHistory()
    expect(history.list(10)).toEqual([])
    expect([history.lastRun, history.lastSuccess, history.lastFailure]).toEqual([undefined, undefined, undefined])
    expect([history.recentOutcomes, history.consecutiveFailures]).toEqual([[], 0])
  })

  it('has a run from its begin on, and puts the outcome in its place', () => {
    const history = new RunHistory()
    history.begin(record('a'), 100)
    expect(history.list(10)).toEqual([record('a')])
    expect(history.lastRun).toBeUndefined()
    history.finish(record('a', 'succeeded'), 100)
    expect(history.list(10)).toEqual([record('a', 'succeeded')])
    expect(history.lastRun).toEqual(record('a', 'succeeded'))
  })

  it('takes the end of a run that never began', () => {
    const history = new RunHistory()
    history.finish(record('a', 'aborted'), 100)
    expect(ids(history)).toEqual(['a'])
  })

  it('leaves the record of a run alone when its slot comes again after a step back and never begins', () => {
    const history = new RunHistory()
    run(history, 'w.1', 'succeeded', 100, START)
    run(history, 'w.2', 'succeeded', 100, START + 1_000)
    history.finish(record('w.1', 'aborted'), 100)
    expect(history.list(10).map(({ runId, outcome }) => [runId, outcome])).toEqual([
      ['w.1', 'aborted'],
      ['w.2', 'succeeded'],
      ['w.1', 'succeeded'],
    ])
    expect(history.lastSlotMs).toBe(START)
  })

  it('lists the newest first, runs and non-runs together, also within one millisecond', () => {
    const history = new RunHistory()
    run(history, 'a', 'succeeded')
    history.skip(record('b', 'skipped'), 100)
    run(history, 'c', 'failed')
    run(history, 'd', 'succeeded')
    expect(ids(history)).toEqual(['d', 'c', 'b', 'a'])
    expect(ids(history, 2)).toEqual(['d', 'c'])
    expect(ids(history, 1)).toEqual(['d'])
  })

  it('lists the newest first after the clock was set back, too', () => {
    const history = new RunHistory()
    run(history, 'before', 'succeeded', 100, START)
    run(history, 'after', 'succeeded', 100, START - 30 * 86_400_000)
    expect(ids(history)).toEqual(['after', 'before'])
  })

  it('keeps so many runs and, apart from them, so many non-runs', () => {
    const history = new RunHistory()
    for (let index = 0; index < 10; index++) {
      run(history, `run-${index}`, 'succeeded', 3)
      history.skip(record(`skip-${index}`, 'skipped'), 3)
    }
    expect(ids(history)).toEqual(['skip-9', 'run-9', 'skip-8', 'run-8', 'skip-7', 'run-7'])
  })

  it('keeps the last success and the last failure in any case, once each', () => {
    const history = new RunHistory()
    run(history, 'success', 'succeeded', 2)
    run(history, 'failure', 'failed', 2)
    for (let index = 0; index < 5; index++) run(history, `aborted-${index}`, 'aborted', 2)
    expect(ids(history)).toEqual(['aborted-4', 'aborted-3', 'failure', 'success'])
    expect([history.lastSuccess?.runId, history.lastFailure?.runId]).toEqual(['success', 'failure'])
    run(history, 'failure-2', 'failed', 2)
    expect(ids(history)).toEqual(['failure-2', 'aborted-4', 'success'])
  })

  it('counts failures in a row: a success ends them, an abort does not count', () => {
    const history = new RunHistory()
    const counts = (['failed', 'failed', 'aborted', 'failed', 'succeeded', 'failed'] as const).map((outcome, index) => {
      run(history, `${index}`, outcome)
      return history.consecutiveFailures
    })
    expect(counts).toEqual([1, 2, 2, 3, 0, 1])
    history.skip(record('x', 'missed'), 100)
    expect(history.consecutiveFailures).toBe(1)
    expect(history.lastRun?.runId).toBe('5')
  })

  it('knows the last 60 outcomes, runs and non-runs, oldest first', () => {
    const history = new RunHistory()
    run(history, 'a', 'failed')
    for (let index = 0; index < 59; index++) history.skip(record(`${index}`, 'skipped'), 5)
    expect([history.recentOutcomes.length, history.recentOutcomes[0]]).toEqual([60, 'failed'])
    run(history, 'b', 'succeeded')
    expect([history.recentOutcomes.length, history.recentOutcomes[0], history.recentOutcomes[59]]).toEqual([
      60,
      'skipped',
      'succeeded',
    ])
  })
})
