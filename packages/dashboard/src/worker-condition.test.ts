import type { HealthCode, HealthReport, WorkerState } from '@background-workers/abstractions'
import { describe, expect, it } from 'vitest'
import { runRecord, workerStatus } from '../test/fixtures/stub-manager.ts'
import {
  FILTERS,
  FINDINGS,
  type FindingCode,
  type WorkerFilter,
  attentionsOf,
  judgeWorkers,
  matchesFilter,
} from './worker-condition.ts'

function reportOf(...reasons: [code: HealthCode, worker?: string][]): HealthReport {
  return {
    status: 'degraded',
    reasons: reasons.map(([code, worker]) => ({ code, message: `${code} it is`, ...(worker && { worker }) })),
  }
}

describe('judgeWorkers', () => {
  const workers = [workerStatus('mailer'), workerStatus('digest')]

  it('gives each worker what the report finds wrong with it, and the others nothing', () => {
    const judged = judgeWorkers(
      workers,
      reportOf(['lost', 'mailer'], ['no-next-slot', 'mailer'], ['never-ran', 'gone']),
    )
    expect(judged.map(({ findings }) => findings?.map(({ code }) => code))).toEqual([
      ['lost', 'no-next-slot'],
      undefined,
    ])
  })

  it.each<FindingCode & WorkerState>(['stuck', 'overdue', 'start-failed', 'no-handler', 'orphaned'])(
    'leaves out "%s" where the state tells it, and nowhere else',
    (code) => {
      const told = [workerStatus('mailer', { state: code })]
      expect(judgeWorkers(told, reportOf([code, 'mailer']))).toEqual(told)
      const [running] = judgeWorkers([workerStatus('mailer', { state: 'running' })], reportOf([code, 'mailer']))
      expect(running?.findings?.map((finding) => finding.code)).toEqual([code])
    },
  )

  it('leaves out failures, which the status counts', () => {
    expect(judgeWorkers(workers, reportOf(['failing', 'mailer']))).toEqual(workers)
  })

  it('leaves the workers as they are without a report', () => {
    expect(judgeWorkers(workers, undefined)).toEqual(workers)
  })
})

describe('attentionsOf', () => {
  it.each<[WorkerState, number, FindingCode[], string[]]>([
    ['idle', 0, [], []],
    ['idle', 0, ['lost', 'never-ran', 'no-next-slot'], ['no-next-slot it is', 'never-ran it is', 'lost it is']],
    ['running', 3, ['lost'], ['3 runs in a row have failed.', 'lost it is']],
    ['idle', 3, ['no-next-slot'], ['no-next-slot it is', '3 runs in a row have failed.']],
    ['overdue', 0, ['never-ran'], ['A slot is due and is not being decided.', 'never-ran it is']],
    ['paused', 0, ['lost'], ['lost it is']],
    ['orphaned', 0, ['lost'], ['lost it is', 'No instance of the release in force declares it.']],
    ['running', 0, ['lost', 'no-handler', 'orphaned'], ['lost it is', 'no-handler it is', 'orphaned it is']],
    ['overdue', 3, [], ['A slot is due and is not being decided.', '3 runs in a row have failed.']],
  ])('of a worker that is %s, with %i failures and %j, are the gravest first', (state, failures, codes, texts) => {
    const worker = workerStatus('mailer', { state, consecutiveFailures: failures })
    const [judged = worker] = judgeWorkers(
      [worker],
      reportOf(...codes.map((code) => [code, 'mailer'] as [FindingCode, string])),
    )
    expect(attentionsOf(judged).map(({ text }) => text)).toEqual(texts)
  })
})

describe('matchesFilter', () => {
  it.each<WorkerState>(['running', 'stuck'])('takes what is active for running, also where it is %s', (state) => {
    const worker = workerStatus('mailer', { state, activeRun: runRecord('mailer') })
    expect(matchesFilter(worker, 'running')).toBe(true)
    expect(matchesFilter(workerStatus('mailer'), 'running')).toBe(false)
  })

  it.each(Object.keys(FINDINGS) as FindingCode[])('"%s" needs attention, and has a filter', (code) => {
    const [judged = workerStatus('none')] = judgeWorkers([workerStatus('mailer')], reportOf([code, 'mailer']))
    const filters = Object.keys(FILTERS) as WorkerFilter[]
    expect(filters.filter((filter) => matchesFilter(judged, filter))).toEqual(['attention', code, 'idle'])
  })
})
