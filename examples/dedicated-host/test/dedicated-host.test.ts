import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { withRedis } from 'example-bullmq/example-redis'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url))
const TIMEOUT_MS = 120_000
// The set-up of the vitest project gives it.
const REDIS_URL = process.env.REDIS_URL as string

let temporaryFolder: string
let child: ChildProcess | undefined

beforeEach(async () => {
  temporaryFolder = await mkdtemp(join(tmpdir(), 'dedicated-host-test-'))
})

afterEach(async () => {
  child?.kill('SIGKILL')
  await rm(temporaryFolder, { recursive: true })
})

describe('the dedicated host', () => {
  it('runs what the web process does not, with both managers', { timeout: TIMEOUT_MS }, async () => {
    const example = startExample()
    expect(await example.exit).toEqual({ code: 0, signal: null })
    expect(example.stderr()).toBe('')
    const [, first, second] = example
      .stdout()
      .split(/^MANAGER=\w+$/m)
      .map(indentedLines)
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
    expect(await readdir(temporaryFolder)).toEqual([])
  })

  it('cleans up when it is interrupted', { timeout: TIMEOUT_MS }, async () => {
    const example = startExample()
    await expect.poll(example.stdout, { timeout: 90_000 }).toContain('MANAGER=bullmq')
    example.interrupt()
    expect(await example.exit).toEqual({ code: 1, signal: null })
    expect(example.stderr()).toBe('SIGINT: the example stops.\n')
    expect(await leftKeys()).toEqual([])
    expect(await readdir(temporaryFolder)).toEqual([])
  })
})

function indentedLines(part: string): string[] {
  return part.split('\n').flatMap((line) => (line.startsWith('   ') ? [line.trim()] : []))
}

function leftKeys(): Promise<string[]> {
  return withRedis(REDIS_URL, (redis) => redis.keys('*example-dedicated-host-*'))
}

function startExample() {
  // All variables by which a system names its temporary folder.
  const folders = { TMPDIR: temporaryFolder, TMP: temporaryFolder, TEMP: temporaryFolder }
  const started = spawn(process.execPath, [MAIN], {
    env: { ...process.env, ...folders },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
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
