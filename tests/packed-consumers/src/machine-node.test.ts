import { describe, expect, it } from 'vitest'
import { isSupported } from './machine-node.ts'

describe('isSupported', () => {
  it.each([
    ['v22.12.0', true],
    ['v22.9.1', false],
    ['v20.20.2', false],
    ['v24.0.0', true],
  ])('says of %s and >=22.12: %s', (version, expected) => {
    expect(isSupported(version, '>=22.12')).toBe(expected)
  })

  it('refuses a range that it can not read', () => {
    expect(() => isSupported('v22.12.0', '^22.12')).toThrow('"^22.12" is neither')
  })
})
