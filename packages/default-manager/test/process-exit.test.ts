import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'

/** Runs a fixture in a process of its own. It has ended by itself when this resolves. */
async function run(fixture: string): Promise<string> {
  const path = fileURLToPath(new URL(`fixtures/${fixture}`, import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, [path], {
    env: { ...process.env, NODE_OPTIONS: '' },
    timeout: 20_000,
  })
  return stdout.trim()
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
