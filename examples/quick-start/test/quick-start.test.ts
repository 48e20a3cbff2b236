import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url))
const TIMEOUT_MS = 120_000
/** Makes the example believe that it is in a terminal, where it waits for Ctrl+C. */
const IN_A_TERMINAL = ['--import', 'data:text/javascript,process.stdout.isTTY = true']

let temporaryFolder: string
let child: ChildProcess | undefined

beforeEach(async () => {
  temporaryFolder = await mkdtemp(join(tmpdir(), 'quick-start-test-'))
})

afterEach(async () => {
  child?.kill('SIGKILL')
  await rm(temporaryFolder, { recursive: true })
})

describe('the quick start', () => {
  it('stops by itself where there is no terminal, and says what was done', { timeout: TIMEOUT_MS }, async () => {
    const example = startExample()
    expect(await example.exit).toEqual({ code: 0, signal: null })
    expect(example.stderr()).toBe('')
    const summary = readSummary(example.stdout())
    expect(summary.get('passive users')).toEqual(expect.arrayContaining(['Alan', 'Edsger', 'Barbara']))
    expect(summary.get('active users')).toEqual(['Ada', 'Grace'])
    expect(summary.get('log files kept')).toEqual(['last-week.log', 'today.log'])
    for (const worker of ['passive-user-checker', 'old-log-cleaner', 'flaky-report', 'simulated-outside-world']) {
      const { succeeded, failed } = countRuns(summary, worker)
      expect(succeeded + failed).toBeGreaterThanOrEqual(3)
      expect(failed).toBe(worker === 'flaky-report' ? Math.ceil((succeeded + failed) / 2) : 0)
    }
    const logged = example.stdout().split('\n\n')[0] as string
    const messages = logged.split('\n').map((line) => JSON.parse(line).msg)
    expect(messages.at(-1)).toBe('application stopped')
    expect(await readdir(temporaryFolder)).toEqual([])
  })

  it('stops gracefully at Ctrl+C, and says what was done', { timeout: TIMEOUT_MS }, async () => {
    const example = startExample(IN_A_TERMINAL)
    await expect.poll(example.stdout, { timeout: TIMEOUT_MS }).toContain('completed: setting status of inactive users')
    example.interrupt()
    expect(await example.exit).toEqual({ code: 0, signal: null })
    expect(example.stderr()).toBe('')
    expect(example.stdout()).toContain('signal received, the application stops')
    const summary = readSummary(example.stdout())
    expect(summary.get('passive users')).toEqual(expect.arrayContaining(['Alan', 'Edsger', 'Barbara']))
    expect(countRuns(summary, 'passive-user-checker').succeeded).toBeGreaterThanOrEqual(1)
    expect(await readdir(temporaryFolder)).toEqual([])
  })
})

function startExample(nodeOptions: readonly string[] = []) {
  // All variables by which a system names its temporary folder.
  const env = { ...process.env, TMPDIR: temporaryFolder, TMP: temporaryFolder, TEMP: temporaryFolder }
  const started = spawn(process.execPath, [...nodeOptions, MAIN], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  child = started
  const output = { stdout: '', stderr: '' }
  started.stdout.on('data', (chunk) => {
    output.stdout += chunk
  })
  started.stderr.on('data', (chunk) => {
    output.stderr += chunk
  })
  return {
    stdout: () => output.stdout,
    stderr: () => output.stderr,
    interrupt: () => started.kill('SIGINT'),
    exit: new Promise<{ code: number | null; signal: string | null }>((resolve) => {
      started.once('close', (code, signal) => resolve({ code, signal }))
    }),
  }
}

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
