import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { withRedis } from '../src/example-redis.ts'

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url))
const TIMEOUT_MS = 120_000
// The set-up of the vitest project gives it.
const REDIS_URL = process.env.REDIS_URL as string

let temporaryFolder: string
let child: ChildProcess | undefined

beforeEach(async () => {
  temporaryFolder = await mkdtemp(join(tmpdir(), 'example-bullmq-test-'))
})

afterEach(async () => {
  child?.kill('SIGKILL')
  await rm(temporaryFolder, { recursive: true })
})

describe('the BullMQ example', () => {
  it('survives a kill and a down time on a Redis that is given, and leaves no key behind', {
    timeout: TIMEOUT_MS,
  }, async () => {
    const example = startExample({ REDIS_URL })
    expect(await example.exit).toEqual({ code: 0, signal: null })
    expect(example.stderr()).toBe('')
    expect(example.stdout()).toContain('your Redis is left alone')
    expectSummary(example.stdout())
    expect(await leftKeys()).toEqual([])
    expect(await readdir(temporaryFolder)).toEqual([])
  })

  it('survives them with a Redis of its own, which is restarted too', { timeout: TIMEOUT_MS }, async () => {
    const example = startExample({ REDIS_URL: '' })
    expect(await example.exit).toEqual({ code: 0, signal: null })
    expect(example.stderr()).toBe('')
    expect(example.stdout()).toContain('Redis has been stopped and started again')
    expectSummary(example.stdout())
    expect(await readdir(temporaryFolder)).toEqual([])
  })

  it('cleans up when it is interrupted', { timeout: TIMEOUT_MS }, async () => {
    const example = startExample({ REDIS_URL })
    await expect.poll(example.output, { timeout: 90_000 }).toMatch(/b is killed|Error/)
    example.interrupt()
    expect(await example.exit).toEqual({ code: 1, signal: null })
    expect(example.stderr()).toBe('SIGINT: the example stops.\n')
    expect(await leftKeys()).toEqual([])
    expect(await readdir(temporaryFolder)).toEqual([])
  })

  it('says what to install and what to set where there is no Redis', { timeout: TIMEOUT_MS }, async () => {
    const example = startExample({ REDIS_URL: '', PATH: temporaryFolder })
    expect(await example.exit).toEqual({ code: 1, signal: null })
    expect(example.stderr()).toContain('apt-get install redis-server')
    expect(example.stderr()).toContain('REDIS_URL=redis://127.0.0.1:6379')
  })

  it('says so where the Redis that is given does not answer', { timeout: TIMEOUT_MS }, async () => {
    const example = startExample({ REDIS_URL: 'redis://:secret@127.0.0.1:1' })
    expect(await example.exit).toEqual({ code: 1, signal: null })
    expect(example.stderr()).toBe(
      'No Redis answers where REDIS_URL points (connect ECONNREFUSED 127.0.0.1:1). Start it, or unset REDIS_URL.\n',
    )
  })
})

function expectSummary(stdout: string): void {
  const summary = readSummary(stdout)
  expect(summary.get('runs in the ledger')).toMatch(/^\d+, slots that ran twice: 0$/)
  expect(summary.get('runs on a and b')).toMatch(/^[1-9]\d* and [1-9]\d*$/)
  expect(summary.get('order-sync')).toMatch(/succeeded, 1 of them \d\.\d s late with missedSlots [1-9]\d*$/)
  expect(summary.get('digest')).toMatch(/succeeded, still paused by the story$/)
  expect(summary.get('heartbeat')).toMatch(/still every 3 s by the story$/)
  expect(summary.get('stock-report')).toMatch(/succeeded, 1 of them \d+\.\d s late( with missedSlots 1)?$/)
  expect(summary.get('price-alert')).toMatch(/^1 missed/)
}

/** The last step: a title, at least two spaces, and what there is. */
function readSummary(stdout: string): Map<string, string> {
  const [, summary = ''] = stdout.split('the web process sums up what Redis holds\n')
  const rows = summary.split('\n').map((line) => /^ {3}(.+?) {2,}(.+)$/.exec(line))
  return new Map(rows.flatMap((row) => (row ? [[row[1] as string, row[2] as string]] : [])))
}

function leftKeys(): Promise<string[]> {
  return withRedis(REDIS_URL, (redis) => redis.keys('*example-bullmq-*'))
}

function startExample(environment: Record<string, string>) {
  // All variables by which a system names its temporary folder.
  const folders = { TMPDIR: temporaryFolder, TMP: temporaryFolder, TEMP: temporaryFolder }
  const started = spawn(process.execPath, [MAIN], {
    env: { ...process.env, ...folders, ...environment },
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
    output: () => output.stdout + output.stderr,
    stdout: () => output.stdout,
    stderr: () => output.stderr,
    interrupt: () => started.kill('SIGINT'),
    exit: new Promise<{ code: number | null; signal: string | null }>((resolve) => {
      started.once('close', (code, signal) => resolve({ code, signal }))
    }),
  }
}
