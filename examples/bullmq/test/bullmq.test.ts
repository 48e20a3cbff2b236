import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TestProcess } from 'test-process'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { withRedis } from '../src/example-redis.ts'

const MAIN = new URL('../src/main.ts', import.meta.url)
// The set-up of the vitest project gives it.
const REDIS_URL = process.env.REDIS_URL as string

let temporaryFolder: string

beforeEach(async () => {
  temporaryFolder = await mkdtemp(join(tmpdir(), 'example-bullmq-test-'))
})

afterEach(async () => {
  await rm(temporaryFolder, { recursive: true })
})

describe('the BullMQ example', () => {
  it('survives a kill and a down time on a Redis that is given, and leaves no key behind', async () => {
    await using example = startExample({ REDIS_URL })
    expect(await example.exit).toEqual({ code: 0, signal: null })
    expect(example.stderr).toBe('')
    expect(example.stdout).toContain('your Redis is left alone')
    expectSummary(example.stdout)
    expect(await leftKeys()).toEqual([])
    expect(await readdir(temporaryFolder)).toEqual([])
  })

  it('survives them with a Redis of its own, which is restarted too', async () => {
    await using example = startExample({ REDIS_URL: '' })
    expect(await example.exit).toEqual({ code: 0, signal: null })
    expect(example.stderr).toBe('')
    expect(example.stdout).toContain('Redis has been stopped and started again')
    expectSummary(example.stdout)
    expect(await readdir(temporaryFolder)).toEqual([])
  })

  it('cleans up when it is interrupted', async () => {
    await using example = startExample({ REDIS_URL })
    await example.line(/b is killed/)
    example.signal('SIGINT')
    expect(await example.exit).toEqual({ code: 1, signal: null })
    expect(example.stderr).toBe('SIGINT: the example stops.\n')
    expect(await leftKeys()).toEqual([])
    expect(await readdir(temporaryFolder)).toEqual([])
  })

  it('says what to install and what to set where there is no Redis', async () => {
    await using example = startExample({ REDIS_URL: '', PATH: temporaryFolder })
    expect(await example.exit).toEqual({ code: 1, signal: null })
    expect(example.stderr).toContain('apt-get install redis-server')
    expect(example.stderr).toContain('REDIS_URL=redis://127.0.0.1:6379')
  })

  it('says so where the Redis that is given does not answer', async () => {
    await using example = startExample({ REDIS_URL: 'redis://:secret@127.0.0.1:1' })
    expect(await example.exit).toEqual({ code: 1, signal: null })
    expect(example.stderr).toBe(
      'No Redis answers where REDIS_URL points (connect ECONNREFUSED 127.0.0.1:1). Start it, or unset REDIS_URL.\n',
    )
  })
})

function expectSummary(stdout: string): void {
  const summary = readSummary(stdout)
  expect(summary.get('runs in the ledger')).toMatch(/^\d+, slots that ran twice: 0$/)
  expect(summary.get('runs on a and b')).toMatch(/^[1-9]\d* and [1-9]\d*$/)
  // A slow machine makes more of them late, or misses them.
  expect(summary.get('order-sync')).toMatch(/succeeded, .*late with missedSlots [1-9]\d*/)
  expect(summary.get('digest')).toMatch(/succeeded, (.*, )?still paused by the story$/)
  expect(summary.get('heartbeat')).toMatch(/succeeded, (.*, )?still every 3 s by the story$/)
  expect(summary.get('stock-report')).toMatch(/succeeded, .*\d+\.\d s late/)
  expect(summary.get('price-alert')).toMatch(/^[1-9]\d* missed/)
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

function startExample(env: Record<string, string>): TestProcess {
  return new TestProcess(MAIN, { env, temporaryFolder, lifetimeMs: 220_000 })
}
