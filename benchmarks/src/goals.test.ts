import { describe, expect, it } from 'vitest'
import { judgeGoal, show } from './goals.ts'
import type { Result } from './sampling.ts'
import { summarize } from './statistics.ts'

function result(contestant: string, ...cpu: number[]): Result {
  return { contestant, figures: cpu.length > 0 ? { cpu: summarize(cpu) } : {}, incorrect: [] }
}

describe('judgeGoal', () => {
  it('compares medians', () => {
    const results = [result('ours', 3, 100, 4), result('toad', 2, 2, 90)]
    expect(judgeGoal({ contestant: 'ours', figure: 'cpu', beside: ['toad'], atMost: 2 }, results)).toMatchObject({
      text: 'at most 2 × toad',
      value: 2,
      isReached: true,
    })
    expect(judgeGoal({ contestant: 'ours', figure: 'cpu', beside: ['toad'], atMost: 1.9 }, results).isReached).toBe(
      false,
    )
  })

  it('takes the best of several', () => {
    const results = [result('ours', 10), result('slow', 100), result('fast', 20)]
    const goal = { contestant: 'ours', figure: 'cpu', beside: ['slow', 'fast'] }
    expect(judgeGoal({ ...goal, atMost: 1 / 6 }, results)).toMatchObject({
      text: 'at most 0.17 × the best of slow / fast',
      value: 0.5,
      isReached: false,
    })
    // Where more is better, the best is the greatest.
    expect(judgeGoal({ ...goal, atLeast: 0.4 }, results)).toMatchObject({ value: 0.1, isReached: false })
  })

  it('allows a constant on top', () => {
    const results = [result('ours', 55), result('raw', 45)]
    const goal = { contestant: 'ours', figure: 'cpu', beside: ['raw'], atMost: 1, plus: 10 }
    expect(judgeGoal(goal, results)).toMatchObject({ text: 'at most 1 × raw + 10', value: 1, isReached: true })
  })

  it('takes a difference that is within the spread of the other for none', () => {
    const goal = { contestant: 'ours', figure: 'cpu', beside: ['cut'], isWithinSpread: true }
    const cut = result('cut', 10, 8, 12)
    expect(judgeGoal(goal, [result('ours', 12, 1, 99), cut])).toMatchObject({
      text: 'within the spread of cut',
      value: 1.2,
      isReached: true,
    })
    expect(judgeGoal(goal, [result('ours', 12.1), cut])).toMatchObject({ isReached: false })
  })

  it('judges a figure by itself', () => {
    expect(judgeGoal({ contestant: 'ours', figure: 'cpu', atMost: 2_700 }, [result('ours', 2_701)])).toMatchObject({
      text: 'at most 2,700',
      value: 2_701,
      isReached: false,
    })
  })

  it.each([
    ['ours', [result('ours'), result('toad', 1)]],
    ['the peer', [result('ours', 1), result('toad')]],
    ['both', []],
  ])('says nothing when %s has no result that counts', (_, results) => {
    const goal = { contestant: 'ours', figure: 'cpu', beside: ['toad'] }
    for (const bound of [{ atMost: 2 }, { isWithinSpread: true }]) {
      expect(judgeGoal({ ...goal, ...bound }, results)).toMatchObject({ value: undefined, isReached: undefined })
    }
  })
})

describe('judgeGoal, where samples do not count', () => {
  const [ours, toad] = [result('ours', 1), result('toad', 1)]
  const goal = { contestant: 'ours', figure: 'cpu', beside: ['toad'], atMost: 2 }

  it.each([
    ['ours', [{ ...ours, incorrect: ['only 2 % of the slots'] }, toad]],
    ['the peer', [ours, { ...toad, incorrect: ['only 2 % of the slots'] }]],
  ])('gives the value and no verdict when they are of %s', (_, results) => {
    expect(judgeGoal(goal, results)).toMatchObject({ value: 1, isReached: undefined })
  })

  it('judges all the same when they are of somebody else', () => {
    const results = [ours, toad, { ...result('cron', 1), incorrect: ['only 2 % of the slots'] }]
    expect(judgeGoal(goal, results)).toMatchObject({ isReached: true })
  })
})

describe('show', () => {
  it.each([
    [1_234.5, '1,235'],
    [123.45, '123'],
    [12.345, '12.3'],
    [1.2345, '1.23'],
    [Number.NaN, '–'],
  ])('shows %s as %s', (value, text) => {
    expect(show(value)).toBe(text)
  })
})
