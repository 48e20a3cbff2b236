import { TestProcess } from 'test-process'
import { describe, expect, it } from 'vitest'

/** Runs a fixture in a process of its own. It has ended by itself when this resolves. */
async function run(fixture: string): Promise<string> {
  await using script = new TestProcess(new URL(`fixtures/${fixture}`, import.meta.url))
  expect(await script.exit).toEqual({ code: 0, signal: null })
  return script.stdout.trim()
}

describe('a process', () => {
  it('ends by itself after stop', async () => {
    const { runs, abandoned, resources } = JSON.parse(await run('exits-by-itself.ts'))
    expect(runs).toBeGreaterThanOrEqual(3)
    expect(abandoned).toEqual([])
    expect(resources).toEqual([])
  })

  it('lives as long as the manager runs, and ends after a run has stopped it', async () => {
    expect(await run('stays-alive.ts')).toBe('third run')
  })
})
