import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { stableHash } from './stable-hash.ts'

describe('stableHash', () => {
  // Slots and jitter of every running application are made of these. If this test fails, the hash has changed: undo that.
  it.each([
    ['a', 3_029_734_799_749_555],
    ['send-digest', 3_254_943_435_965_426],
    ['passive-user-checker', 2_224_555_159_897_539],
    ['', 1_902_329_787_743_243],
  ])('gives %j the same number for ever', (text, hash) => {
    expect(stableHash(text)).toBe(hash)
  })

  it('gives whole numbers in [0, 2^52)', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const hash = stableHash(text)
        return Number.isInteger(hash) && hash >= 0 && hash < 2 ** 52 && hash === stableHash(text)
      }),
      { seed: 1, numRuns: 500 },
    )
  })

  it('spreads names that differ in their last character only', () => {
    const minutes = new Set(Array.from({ length: 100 }, (_, index) => stableHash(`worker-${index}`) % 60))
    expect(minutes.size).toBeGreaterThan(40)
  })
})
