import { mkdtempDisposable, readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { withRedis } from 'example-bullmq/example-redis'
import { TestProcess } from 'test-process'
import { describe, expect, it } from 'vitest'

const MAIN = new URL('../src/main.ts', import.meta.url)
// The set-up of the vitest project gives it.
const REDIS_URL = process.env.REDIS_URL as string

describe('the dedicated host', () => {
  it('runs what the web process does not, with both managers', async () => {
    await using folder = await ownFolder()
    await using example = new TestProcess(MAIN, { temporaryFolder: folder.path })
    expect(await example.exit).toEqual({ code: 0, signal: null })
    expect(example.stderr).toBe('')
    const [, first, second] = example.stdout.split(/^MANAGER=\w+$/m).map(indentedLines)
    const both = {
      health: 'health        the dedicated process answers 200 to /ready',
      ada: 'sign-up       Ada at the web process, welcomed by the dedicated process',
      alan: 'sign-up       Alan at the web process, welcomed by the dedicated process',
      exit: 'exit codes    web 0, dedicated 0',
    }
    expect(first).toEqual([
      both.health,
      both.ada,
      'list          the web process sees welcome-mailer with no next slot and no runs',
      'trigger       refused at the web process: manager-stopped',
      both.alan,
      both.exit,
    ])
    expect(second).toEqual([
      both.health,
      both.ada,
      'list          the web process sees welcome-mailer with a next slot and its runs',
      'trigger       manual run by the web process, succeeded, while the worker is paused',
      both.alan,
      both.exit,
    ])
    expect(await leftKeys()).toEqual([])
    expect(await readdir(folder.path)).toEqual([])
  })

  it('cleans up when it is interrupted', async () => {
    await using folder = await ownFolder()
    await using example = new TestProcess(MAIN, { temporaryFolder: folder.path })
    await example.line('MANAGER=bullmq')
    example.signal('SIGINT')
    expect(await example.exit).toEqual({ code: 1, signal: null })
    expect(example.stderr).toBe('SIGINT: the example stops.\n')
    expect(await leftKeys()).toEqual([])
    expect(await readdir(folder.path)).toEqual([])
  })
})

function indentedLines(part: string): string[] {
  return part.split('\n').flatMap((line) => (line.startsWith('   ') ? [line.trim()] : []))
}

function leftKeys(): Promise<string[]> {
  return withRedis(REDIS_URL, (redis) => redis.keys('*example-dedicated-host-*'))
}

function ownFolder() {
  return mkdtempDisposable(join(tmpdir(), 'dedicated-host-test-'))
}
