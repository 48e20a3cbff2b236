import type { RunOutcome, RunRecord } from '@background-workers/abstractions'
import { type StartedRun, startedRecord } from '@background-workers/abstractions/for-managers'
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

/** A run of a slot would be `w.<slotMs>`; one of another id is a trigger. */
function begun(runId: string, atMs = START): StartedRun {
  const kind = runId === `w.${atMs}` ? 'scheduled' : 'manual'
  const plan = {
    worker: { name: 'w' },
    runId,
    kind,
    scheduledForMs: atMs,
    lateByMs: 0,
    missedSlots: 0,
    by: undefined,
  } as const
  return { plan, instanceId: 'i', startedAtMs: atMs, attempts: 1, end: undefined }
}

function run(history: RunHistory, runId: string, outcome: RunOutcome, keepRuns = 100, atMs = START): void {
  const active = begun(runId, atMs)
  history.begin(active, keepRuns)
  history.finish(end(active, outcome), keepRuns)
}

/** A run is the same object until its end. */
function end(active: StartedRun, outcome: RunOutcome): StartedRun {
  return Object.assign(active, { end: { outcome, finishedAtMs: active.startedAtMs + 5, durationMs: 5 } })
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
    const active = begun('a')
    history.begin(active, 100)
    expect(history.list(10)).toEqual([startedRecord(active)])
    expect(history.lastRun).toBeUndefined()
    const ended = end(active, 'succeeded')
    history.finish(ended, 100)
    expect(history.list(10)).toEqual([startedRecord(ended)])
    expect(history.lastRun).toEqual(startedRecord(ended))
  })

  it('takes the end of a run that never began', () => {
    const history = new RunHistory()
    history.cancel(record('a', 'aborted'), 100)
    expect(ids(history)).toEqual(['a'])
    expect([history.lastRun?.runId, history.hasRun, history.recentOutcomes]).toEqual(['a', true, ['aborted']])
  })

  it('leaves the record of a run alone when its slot comes again after a step back and never begins', () => {
    const history = new RunHistory()
    const [first, second] = [`w.${START}`, `w.${START + 1_000}`]
    run(history, first, 'succeeded', 100, START)
    run(history, second, 'succeeded', 100, START + 1_000)
    history.cancel(record(first, 'aborted'), 100)
    expect(history.list(10).map(({ runId, outcome }) => [runId, outcome])).toEqual([
      [first, 'aborted'],
      [second, 'succeeded'],
      [first, 'succeeded'],
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

  it('has the records of the slots that succeeded as they were, also where they are packed', () => {
    const history = new RunHistory()
    const ended = Array.from({ length: 400 }, (_, index) => {
      const atMs = START + index * 1_000
      const active = begun(`w.${atMs}`, atMs)
      const isCatchUp = index % 3 === 0
      const plan = {
        ...active.plan,
        lateByMs: index,
        ...(isCatchUp && ({ kind: 'catch-up', missedSlots: 2 } as const)),
      }
      const one = { ...active, plan, attempts: 1 + (index % 4) }
      history.begin(one, 100)
      const record = startedRecord(end(one, 'succeeded'))
      history.finish(one, 100)
      expect(history.list(1_000)).toHaveLength(Math.min(index + 1, 100))
      return record
    })
    expect(history.list(1_000)).toEqual(ended.slice(-100).reverse())
    expect([history.lastRun, history.lastSuccess]).toEqual([ended.at(-1), ended.at(-1)])
    expect(history.lastSucceededAtMs).toBe(ended.at(-1)?.finishedAt?.getTime())
  })

  it('keeps no more than it is told to now, though it kept more before', () => {
    const history = new RunHistory()
    for (let index = 0; index < 5; index++) history.skip(record(`skip-${index}`, 'skipped'), 5)
    history.skip(record('skip-5', 'skipped'), 2)
    expect(ids(history)).toEqual(['skip-5', 'skip-4'])
  })

  it('lists packed runs and others in the order of their decisions, and keeps so many of both together', () => {
    const history = new RunHistory()
    for (let index = 0; index < 50; index++) {
      const atMs = START + index
      run(history, index % 2 === 0 ? `w.${atMs}` : `trigger-${index}`, 'succeeded', 4, atMs)
    }
    expect(ids(history)).toEqual(['trigger-49', `w.${START + 48}`, 'trigger-47', `w.${START + 46}`])
    expect(history.lastSuccess?.runId).toBe('trigger-49')
    run(history, `w.${START + 50}`, 'succeeded', 4, START + 50)
    expect([history.lastRun?.runId, history.lastSuccess?.runId]).toEqual([`w.${START + 50}`, `w.${START + 50}`])
    expect(ids(history)).toHaveLength(4)
  })

  it('keeps the last success of a slot in any case', () => {
    const history = new RunHistory()
    for (let index = 0; index < 5; index++) run(history, `w.${START + index}`, 'succeeded', 2, START + index)
    for (let index = 0; index < 5; index++) run(history, `failed-${index}`, 'failed', 2)
    expect(ids(history)).toEqual(['failed-4', 'failed-3', `w.${START + 4}`])
    expect(history.lastSuccess?.runId).toBe(`w.${START + 4}`)
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
