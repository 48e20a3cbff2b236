import { describe, expect, it } from 'vitest'
import { writeBetween } from './write-between.ts'

describe('writeBetween', () => {
  const page =
    'before\n<!-- bench:memory -->\nold\n<!-- /bench:memory -->\nafter\n<!-- bench:redis --><!-- /bench:redis -->'

  it('replaces what stands between its marks, and nothing else', () => {
    expect(writeBetween(page, 'memory', '| new |\n')).toBe(
      'before\n<!-- bench:memory -->\n\n| new |\n\n<!-- /bench:memory -->\nafter\n<!-- bench:redis --><!-- /bench:redis -->',
    )
  })

  it('gives the same page when it is done again', () => {
    const once = writeBetween(page, 'redis', 'new')
    expect(writeBetween(once, 'redis', 'new')).toBe(once)
  })

  it('refuses a page without the place, naming it', () => {
    expect(() => writeBetween(page, 'scale', 'new')).toThrow('<!-- bench:scale -->')
  })
})
