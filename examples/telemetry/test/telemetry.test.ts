import { fileURLToPath } from 'node:url'
import { TestProcess } from 'test-process'
import { expect, it } from 'vitest'

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url))

it('prints spans and a scrape, and ends by itself', async () => {
  await using example = new TestProcess(MAIN)
  expect(await example.exit).toEqual({ code: 0, signal: null })
  expect(example.stderr).toBe('')
  const { stdout, lines } = example

  const [, requestSpan] = /^([0-9a-f]{16}) POST \/digest /m.exec(stdout) ?? []
  expect(stdout).toMatch(
    new RegExp(
      `^[0-9a-f]{16} run digest-sender +\\d+ ms +manual succeeded linked to ${requestSpan}\n {4}render digest`,
      'm',
    ),
  )
  expect(stdout).toMatch(/ run price-importer +\d+ ms +scheduled succeeded\n {4}! Error: the supplier does not answer/)
  expect(stdout).toMatch(/ run broken-sync +\d+ ms +scheduled failed\n {4}! TypeError: the table has no column "email"/)
  expect(stdout).toMatch(/^background_workers_non_runs_total\{.*"report-builder".*"skipped".*"overlap"\} [1-9]/m)
  expect(stdout).toMatch(/^background_workers_worker_consecutive_failures\{.*"broken-sync"\} [1-9]/m)
  expect(lines.at(-1)).toBe('closed, and the manager is stopped')
})

it('serves Prometheus, and closes gracefully at Ctrl+C', async () => {
  await using example = new TestProcess(MAIN, { isInTerminal: true })
  const [url] = /http:\S+/.exec(await example.line(/^metrics for Prometheus:/)) as unknown as [string]
  expect(new URL(url).hostname).toBe('127.0.0.1')
  await example.line(/ run digest-sender .*succeeded/)
  await example.line(/ run broken-sync .*failed/)

  const response = await fetch(url)
  expect(response.headers.get('content-type')).toMatch(/^text\/plain/)
  const series = (await response.text()).split('\n').filter((line) => line.startsWith('background_workers_'))
  const names = new Set(series.map((line) => line.slice(0, line.indexOf('{'))))
  expect([...names]).toEqual(
    expect.arrayContaining([
      'background_workers_runs_total',
      'background_workers_run_duration_bucket',
      'background_workers_run_lateness_bucket',
      'background_workers_run_active',
      'background_workers_workers',
      'background_workers_worker_consecutive_failures',
      'background_workers_worker_time_since_last_success',
    ]),
  )
  expect((await fetch(new URL('/other', url))).status).toBe(404)

  example.signal('SIGINT')
  expect(await example.exit).toEqual({ code: 0, signal: null })
  expect(example.stderr).toBe('')
  expect(example.lines.at(-1)).toBe('closed, and the manager is stopped')
})
