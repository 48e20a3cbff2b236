import { describe, expect, it } from 'vitest'
import type { Measure } from '../measures/measure.ts'
import { summarize } from '../statistics.ts'
import { reportTables, table } from './table.ts'

const measure: Measure = {
  name: 'runs',
  title: 'A run',
  figures: [{ key: 'cpu', title: 'CPU', unit: 'µs' }],
  contestants: ['ours', 'toad', 'cron'],
  goals: [{ contestant: 'ours', figure: 'cpu', beside: ['toad'], atMost: 2 }],
  full: {},
  sample: async () => ({}),
}

describe('table', () => {
  it('aligns its columns', () => {
    expect(table(['a', 'long'], [['1234', '5']])).toBe('| a    | long |\n| ---- | ---- |\n| 1234 | 5    |')
  })
})

describe('reportTables', () => {
  const text = reportTables({
    measure,
    params: { workers: 1_000 },
    results: [
      { contestant: 'ours', figures: { cpu: summarize([3, 4, 8]) }, incorrect: [] },
      { contestant: 'toad', figures: { cpu: summarize([2]) }, incorrect: [] },
      { contestant: 'cron', figures: {}, incorrect: ['only 2 % of the slots', 'only 3 %'] },
    ],
  })

  it('shows medians, spread and ratios', () => {
    expect(text).toContain('| ours       | 4 (3 … 8)      |')
    expect(text).toMatch(/\| toad +\| 2 +\| 2 +\|/)
  })

  it('says how ours stands to its goal', () => {
    expect(text).toMatch(/\| ours: CPU \| at most 2 × toad \| 2 +\| reached \|/)
  })

  it('gives no figure for what does not count, and says why', () => {
    expect(text).toMatch(/\| cron +\| does not count \|/)
    expect(text).toContain('Does not count, 2 times: cron: only 2 % of the slots')
  })

  it('gives no ratio to what is below 0', () => {
    const early = reportTables({
      measure,
      params: {},
      results: [
        { contestant: 'ours', figures: { cpu: summarize([0]) }, incorrect: [] },
        { contestant: 'toad', figures: { cpu: summarize([-1.5]) }, incorrect: [] },
      ],
    })
    expect(early).toMatch(/\| toad +\| -1.5 +\| – +\|/)
  })

  it('says of how many samples a figure is where some do not count, and judges no goal by it', () => {
    const partial = reportTables({
      measure,
      params: {},
      results: [
        { contestant: 'ours', figures: { cpu: summarize([3, 4]) }, incorrect: ['only 85 %', 'only 80 %', 'only 85 %'] },
        { contestant: 'toad', figures: { cpu: summarize([3.5]) }, incorrect: [] },
      ],
    })
    expect(partial).toContain('| ours       | 3.5 (3 … 4), 2 of 5 |')
    expect(partial).toMatch(/\| ours: CPU \| at most 2 × toad \| 1 +\| not judged \|/)
  })

  it('names the sizes', () => {
    expect(text).toContain('`--only runs` (workers 1,000)')
  })
})
