import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { randomApplicationName, removeKeys } from 'example-bullmq/example-redis'
import { afterEach, describe, expect, it } from 'vitest'

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url))
const TIMEOUT_MS = 120_000
/** Makes the example believe that it is in a terminal, where it waits for Ctrl+C. */
const IN_A_TERMINAL = ['--import', 'data:text/javascript,process.stdout.isTTY = true']
// The set-up of the vitest project gives it.
const REDIS_URL = process.env.REDIS_URL as string

let child: ChildProcess | undefined

afterEach(() => {
  child?.kill('SIGKILL')
})

describe('the Nest application', () => {
  it('runs its workers with the default manager, and ends by itself', { timeout: TIMEOUT_MS }, async () => {
    const example = startExample({ MANAGER: 'default' })
    expect(await example.exit).toEqual({ code: 0, signal: null })
    expect(example.stderr()).toBe('')
    expectSummary(example.stdout())
  })

  it('runs the same workers with BullMQ', { timeout: TIMEOUT_MS }, async () => {
    const applicationName = randomApplicationName('example-nestjs')
    try {
      const example = startExample({ MANAGER: 'bullmq', APPLICATION_NAME: applicationName, REDIS_URL })
      expect(await example.exit).toEqual({ code: 0, signal: null })
      expect(example.stderr()).toBe('')
      expectSummary(example.stdout())
    } finally {
      await removeKeys(REDIS_URL, applicationName)
    }
  })

  it('stops its workers when it is told to end', { timeout: TIMEOUT_MS }, async () => {
    const example = startExample({ MANAGER: 'default' }, IN_A_TERMINAL)
    await expect.poll(example.stdout, { timeout: 90_000 }).toContain('run succeeded')
    example.terminate()
    // Nest sends itself the signal once more when it has shut down.
    expect(await example.exit).toEqual({ code: null, signal: 'SIGTERM' })
    expect(example.stdout()).toContain('background workers stopped')
  })
})

function expectSummary(stdout: string): void {
  const [logged = '', summary = ''] = stdout.split('\n\n')
  const messages = logged.split('\n').map((line) => JSON.parse(line))
  expect(messages).toContainEqual(
    expect.objectContaining({ context: 'passive-user-checker', message: 'inactive users made passive' }),
  )
  const rows = new Map(summary.split('\n').map((line) => [line.slice(0, 16).trim(), line.slice(16)]))
  expect(rows.get('passive users')).toBe('Alan')
  expect(rows.get('connections')).toMatch(/^([2-9]|\d\d+) opened, one for each run; 0 left open$/)
  expect(rows.get('newsletter')).toBe('succeeded at attempt 2')
  expect(rows.get('manager')).toBe('stopped')
}

function startExample(environment: Record<string, string>, nodeOptions: readonly string[] = []) {
  const started = spawn(process.execPath, [...nodeOptions, MAIN], {
    env: { ...process.env, ...environment },
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
    terminate: () => started.kill('SIGTERM'),
    exit: new Promise<{ code: number | null; signal: string | null }>((resolve) => {
      started.once('close', (code, signal) => resolve({ code, signal }))
    }),
  }
}
