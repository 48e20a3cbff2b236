import { describe, expect, it } from 'vitest'
import { BROKEN_BUILDS, nodeArgsOf, scriptOf } from '../src/broken-builds.ts'
import { forget, torture } from '../src/torture.ts'

// Only a hang takes so long, however slow the machine.
const TIMEOUT_MS = 900_000

// Each has a Redis of its own, and mostly waits.
describe.concurrent('a broken build is caught within 60 s', () => {
  it.each(BROKEN_BUILDS.map((build) => [build.name, build] as const))(
    '%s',
    { timeout: TIMEOUT_MS },
    async (_name, build) => {
      const result = await torture({ script: scriptOf(build), manager: build.manager, nodeArgs: nodeArgsOf(build) })
      expect(result.verdict.violations.map(({ kind }) => kind)).toContain(build.shows)
      await forget(result)
    },
  )
})
