import { describe, expect, it } from 'vitest'
import { growthOf } from './growth.ts'

describe('growthOf', () => {
  it('is nothing for what fills up in the first quarter and stays', () => {
    expect(growthOf([1, 5, 10, 10, 10, 10, 10, 10])).toBe(0)
  })

  it('sees what goes on growing', () => {
    expect(growthOf([10, 11, 12, 13, 14, 15, 16, 17])).toBeCloseTo(4 / 12.5)
  })

  it('is not misled by one value', () => {
    expect(growthOf([1, 1, 1, 1, 1, 1, 10, 10, 10, 10, 10, 99, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 99, 10])).toBe(0)
  })
})
