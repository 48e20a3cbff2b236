import { mkdtempDisposable, readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TestProcess } from 'test-process'
import { describe, expect, it } from 'vitest'

const MAIN = new URL('../src/main.ts', import.meta.url)

describe('the quick start', () => {
  it('stops by itself where there is no terminal, and says what was done', async () => {
    await using folder = await ownFolder()
    await using example = new TestProcess(MAIN, { temporaryFolder: folder.path })
    expect(await example.exit).toEqual({ code: 0, signal: null })
    expect(example.stderr).toBe('')
    const summary = readSummary(example.stdout)
    expect(summary.get('passive users')).toEqual(expect.arrayContaining(['Alan', 'Edsger', 'Barbara']))
    expect(summary.get('active users')).toEqual(['Ada', 'Grace'])
    expect(summary.get('log files kept')).toEqual(['last-week.log', 'today.log'])
    for (const worker of ['passive-user-checker', 'old-log-cleaner', 'flaky-report', 'simulated-outside-world']) {
      const { succeeded, failed } = countRuns(summary, worker)
      expect(succeeded + failed).toBeGreaterThanOrEqual(3)
      expect(failed).toBe(worker === 'flaky-report' ? Math.ceil((succeeded + failed) / 2) : 0)
    }
    const logged = example.stdout.split('\n\n')[0] as string
    const messages = logged.split('\n').map((line) => JSON.parse(line).msg)
    expect(messages.at(-1)).toBe('application stopped')
    expect(await readdir(folder.path)).toEqual([])
  })

  it('stops gracefully at Ctrl+C, and says what was done', async () => {
    await using folder = await ownFolder()
    await using example = new TestProcess(MAIN, { temporaryFolder: folder.path, isInTerminal: true })
    await example.line(/completed: setting status of inactive users/)
    example.signal('SIGINT')
    expect(await example.exit).toEqual({ code: 0, signal: null })
    expect(example.stderr).toBe('')
    expect(example.stdout).toContain('signal received, the application stops')
    const summary = readSummary(example.stdout)
    expect(summary.get('passive users')).toEqual(expect.arrayContaining(['Alan', 'Edsger', 'Barbara']))
    expect(countRuns(summary, 'passive-user-checker').succeeded).toBeGreaterThanOrEqual(1)
    expect(await readdir(folder.path)).toEqual([])
  })
})

/** The last lines: a title, at least two spaces, and what it has. */
function readSummary(stdout: string): Map<string, string[]> {
  const [, summary = ''] = stdout.split('What the workers have done:\n')
  const rows = summary
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/ {2,}/))
  return new Map(rows.map(([title = '', names = '']) => [title, names.split(', ')]))
}

function countRuns(summary: Map<string, string[]>, worker: string): { succeeded: number; failed: number } {
  const [succeeded = '', failed = ''] = summary.get(worker) ?? []
  return { succeeded: Number(/\d+/.exec(succeeded)), failed: Number(/\d+/.exec(failed)) }
}

function ownFolder() {
  return mkdtempDisposable(join(tmpdir(), 'quick-start-test-'))
}
