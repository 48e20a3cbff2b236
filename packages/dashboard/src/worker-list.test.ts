import { cron, every } from '@background-workers/abstractions'
import { describe, expect, it } from 'vitest'
import { runRecord, workerStatus } from '../test/fixtures/stub-manager.ts'
import { PAGE_SIZE, queryWorkers, readWorkerQuery, writeWorkerQuery } from './worker-list.ts'

const since = new Date()
const WORKERS = [
  workerStatus('charlie', { nextDueAt: new Date(3_000), state: 'running', activeRun: runRecord('charlie') }),
  workerStatus(
    'alpha',
    { nextDueAt: new Date(1_000), consecutiveFailures: 3 },
    cron('0 9 * * *', { timeZone: 'Asia/Tokyo' }),
  ),
  workerStatus('bravo', { paused: { note: 'Holiday', since }, state: 'paused', lastRun: runRecord('bravo') }),
  workerStatus('delta', { nextDueAt: new Date(2_000), state: 'stuck' }, every('7m')),
]

function names(query: string): string[] {
  return queryWorkers(WORKERS, readWorkerQuery(new URLSearchParams(query))).workers.map(({ name }) => name)
}

describe('queryWorkers', () => {
  it.each([
    ['', ['alpha', 'bravo', 'charlie', 'delta']],
    ['order=desc', ['delta', 'charlie', 'bravo', 'alpha']],
    ['sort=next', ['alpha', 'delta', 'charlie', 'bravo']],
    ['sort=next&order=desc', ['charlie', 'delta', 'alpha', 'bravo']],
    ['sort=last', ['bravo', 'alpha', 'charlie', 'delta']],
    ['sort=state', ['delta', 'alpha', 'charlie', 'bravo']],
    ['q=LPH', ['alpha']],
    ['q=tokyo', ['alpha']],
    ['q=7m', ['delta']],
    ['q=holiday', ['bravo']],
    ['q=nothing', []],
    ['state=attention', ['alpha', 'delta']],
    ['state=failing', ['alpha']],
    ['state=paused', ['bravo']],
    ['state=running', ['charlie']],
    ['state=attention&q=d&sort=state', ['delta']],
  ])('finds and orders by "%s"', (query, expected) => {
    expect(names(query)).toEqual(expected)
  })

  it('counts what each filter leaves of what the search has found', () => {
    const { counts, matching, total } = queryWorkers(WORKERS, readWorkerQuery(new URLSearchParams('q=a&state=paused')))
    expect(counts).toMatchObject({ attention: 2, running: 1, paused: 1, stuck: 1, failing: 1, orphaned: 0 })
    expect([matching, total]).toEqual([1, 4])
  })

  it('cuts pages, and gives the last one where a later one is asked for', () => {
    const many = Array.from({ length: 2 * PAGE_SIZE + 1 }, (_, index) => workerStatus(`w${1_000 + index}`))
    const page = (text: string) => queryWorkers(many, readWorkerQuery(new URLSearchParams(`page=${text}`)))
    expect(page('2').workers[0]?.name).toBe(`w${1_000 + PAGE_SIZE}`)
    expect(page('99')).toMatchObject({ page: 3, pages: 3, matching: 2 * PAGE_SIZE + 1 })
    expect(page('99').workers).toHaveLength(1)
  })
})

describe('readWorkerQuery', () => {
  it.each(['page=-1', 'page=x', 'page=1e99', 'sort=__proto__', 'state=toString', 'order=up', 'q='])(
    'takes "%s" as not given',
    (text) => {
      expect(writeWorkerQuery(readWorkerQuery(new URLSearchParams(text)))).toBe('')
    },
  )

  it('reads what writeWorkerQuery writes', () => {
    const text = 'q=a+b%26&state=no-handler&sort=last&order=desc&page=3'
    expect(writeWorkerQuery(readWorkerQuery(new URLSearchParams(text)))).toBe(text)
  })
})
