import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { judge } from './oracle.ts'
import { printRow, summarize } from './report.ts'
import { writeScript } from './script.ts'
import { ForgedHistory } from '../test/forged-history.ts'

const ROOT = new URL('../../../', import.meta.url)

const page = readFileSync(new URL('docs/reliability.md', ROOT), 'utf8')

/** The rows under a heading, without the header. */
function rowsUnder(heading: string): string[][] {
  const [, section = ''] = page.split(`\n${heading}\n`)
  const [table = ''] = section.split('\n## ')
  const rows = table.split('\n').filter((line) => line.startsWith('|'))
  return rows.slice(2).map((row) => row.split('|').slice(1, -1))
}

it('each defect that was found names a test that is there', () => {
  const tests = rowsUnder('## What it has found').map(([, test = '']) => /`(.+)`: (.+)/.exec(test)?.slice(1))
  expect(tests.length).toBeGreaterThan(0)
  for (const [file = '', title = ''] of tests.map((test) => test ?? [])) {
    expect(readFileSync(new URL(file, ROOT), 'utf8')).toContain(title.trim())
  }
})

it('the figures have the columns that a run prints', () => {
  const script = writeScript({ seed: 1, minutes: 1, seats: 3 })
  const row = printRow(summarize(script, 'bullmq', [], judge(new ForgedHistory('bullmq').history())))
  const rows = rowsUnder('## Figures')
  expect(rows.length).toBeGreaterThan(0)
  expect(new Set(rows.map((cells) => cells.length))).toEqual(new Set([row.split('|').length - 2]))
})
