import { describe, expect, it } from 'vitest'
import { median, percentile, summarize } from './statistics.ts'

describe('median', () => {
  it('is the middle value, whatever their order', () => {
    expect(median([9, 1, 5])).toBe(5)
  })

  it('lies between the two middle values of an even number', () => {
    expect(median([4, 1, 2, 3])).toBe(2.5)
  })

  it('sorts numbers, not texts', () => {
    expect(median([10, 9, 100])).toBe(10)
  })

  it('leaves the values in their order', () => {
    const values = [3, 1, 2]
    median(values)
    expect(values).toEqual([3, 1, 2])
  })

  it('of nothing is no number', () => {
    expect(median([])).toBeNaN()
  })
})

describe('percentile', () => {
  it('gives the ends and what lies between', () => {
    const values = Array.from({ length: 101 }, (_, index) => index)
    expect([0, 50, 99, 100].map((percent) => percentile(values, percent))).toEqual([0, 50, 99, 100])
    expect(percentile([0, 10], 75)).toBe(7.5)
  })
})

describe('summarize', () => {
  it('gives the median and the spread', () => {
    expect(summarize([5, 1, 3])).toEqual({ median: 3, min: 1, max: 5, runs: 3 })
  })
})
