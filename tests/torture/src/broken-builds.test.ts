import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { BROKEN_BUILDS, breakSource, nodeArgsOf, sourceOf } from './broken-builds.ts'

describe('breakSource', () => {
  it.each(BROKEN_BUILDS.map((build) => [build.name, build] as const))('finds what it changes: %s', (_name, build) => {
    const source = readFileSync(sourceOf(build), 'utf8')
    expect(breakSource(build, source)).not.toBe(source)
    expect(nodeArgsOf(build)).toHaveLength(2)
  })

  it('throws when the text is not there once', () => {
    const [build] = BROKEN_BUILDS
    expect(() => breakSource(build!, 'another source')).toThrow(/this text is 0 times in /)
  })
})
