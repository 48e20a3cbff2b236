import { mkdtempDisposable, readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TestProcess } from 'test-process'
import { describe, expect, it } from 'vitest'
import { withRedis } from '../src/example-redis.ts'

const MAIN = new URL('../src/main.ts', import.meta.url)
// The set-up of the vitest project gives it.
const REDIS_URL = process.env.REDIS_URL as string
const DAY_MS = 86_400_000

describe('the BullMQ example', () => {
  it('survives a kill and a down time on a Redis that is given, and leaves no key behind', async () => {
    await using folder = await ownFolder()
    await using example = startExample(folder.path, { REDIS_URL })
    expect(await example.exit).toEqual({ code: 0, signal: null })
    expect(example.stderr).toBe('')
    expect(example.stdout).toContain('your Redis is left alone')
    expectStory(example.stdout)
    expect(await leftKeys()).toEqual([])
    expect(await readdir(folder.path)).toEqual([])
  })

  it('survives them with a Redis of its own, which is restarted too', async () => {
    await using folder = await ownFolder()
    await using example = startExample(folder.path, { REDIS_URL: '' })
    expect(await example.exit).toEqual({ code: 0, signal: null })
    expect(example.stderr).toBe('')
    expect(example.stdout).toContain('Redis has been stopped and started again')
    expectStory(example.stdout)
    expect(await readdir(folder.path)).toEqual([])
  })

  it('cleans up when it is interrupted', async () => {
    await using folder = await ownFolder()
    await using example = startExample(folder.path, { REDIS_URL })
    await example.line(/b is killed/)
    example.signal('SIGINT')
    expect(await example.exit).toEqual({ code: 1, signal: null })
    expect(example.stderr).toBe('SIGINT: the example stops.\n')
    expect(await leftKeys()).toEqual([])
    expect(await readdir(folder.path)).toEqual([])
  })

  it('says what to install and what to set where there is no Redis', async () => {
    await using folder = await ownFolder()
    await using example = startExample(folder.path, { REDIS_URL: '', PATH: folder.path })
    expect(await example.exit).toEqual({ code: 1, signal: null })
    expect(example.stderr).toContain('apt-get install redis-server')
    expect(example.stderr).toContain('REDIS_URL=redis://127.0.0.1:6379')
  })

  it('says so where the Redis that is given does not answer', async () => {
    await using folder = await ownFolder()
    await using example = startExample(folder.path, { REDIS_URL: 'redis://:secret@127.0.0.1:1' })
    expect(await example.exit).toEqual({ code: 1, signal: null })
    expect(example.stderr).toBe(
      'No Redis answers where REDIS_URL points (connect ECONNREFUSED 127.0.0.1:1). Start it, or unset REDIS_URL.\n',
    )
  })
})

/** Nothing of it depends on speed: a slow machine makes runs late, and lets one stand for several slots. */
function expectStory(stdout: string): void {
  const afterKill = linesOf(stdout, 'b is killed (SIGKILL), a goes on').map(readEntry)
  expect(afterKill.length).toBeGreaterThanOrEqual(5)
  expect(new Set(afterKill.map(({ on }) => on))).toEqual(new Set(['a']))
  const kept = linesOf(stdout, 'Everything stops').filter((line) => line.endsWith(' records'))
  expect(kept.map((line) => line.replace(/, \d+ records$/, ''))).toEqual([
    'order-sync    every 1 s',
    'digest        cron */2 * * * * *, paused by the story: nobody reads it',
    'heartbeat     every 2 s, overridden by the story: every 3 s',
    'stock-report  cron */10 * * * * *',
    'price-alert   cron */10 * * * * *',
  ])
  expect(linesOf(stdout, 'Nothing runs, and the web process finds everything in Redis')).toEqual(kept)
  expectDownTimeHandled(stdout)
  const summary = new Map(
    linesOf(stdout, 'Both stop, and the web process sums up what Redis holds').map((line) => {
      const [title = '', text = ''] = line.split(/ {2,}/)
      return [title, text]
    }),
  )
  expect(summary.get('runs in the ledger')).toMatch(/^\d+, slots that ran twice: 0$/)
  expect(summary.get('runs on a and b')).toMatch(/^[1-9]\d* and [1-9]\d*$/)
  for (const worker of ['order-sync', 'stock-report', 'price-alert']) {
    expect(summary.get(worker)).toMatch(/, slots: [1-9]\d*, decided twice: 0, never: 0$/)
  }
  expect(summary.get('digest')).toMatch(/, still paused by the story$/)
  expect(summary.get('heartbeat')).toMatch(/, still every 3 s by the story$/)
}

/** The first decisions after the down time are about the slots that came meanwhile, by the policies of the workers. */
function expectDownTimeHandled(stdout: string): void {
  const [, overdue = ''] = / among them (\S+) of stock-report and price-alert /.exec(stdout) ?? []
  const lines = linesOf(
    stdout,
    'Both start again: what was missed is handled by policy, pause and override are in force',
  )
  const [orderSync, stockReport, priceAlert] = lines.slice(0, 3).map(readDecision)
  // On a slow machine a slot may come while the instances stop. Its run then waits for the restart, and is in the way of others.
  const caughtUp = expect.stringMatching(/^(succeeded \(catch-up\)|skipped)$/)
  expect(orderSync).toMatchObject({ worker: 'order-sync', what: caughtUp })
  // They were away for 6.5 s at least, and the latest of those slots is the one that runs.
  expect(orderSync?.missedSlots).toBeGreaterThanOrEqual(5)
  expect(stockReport).toMatchObject({ worker: 'stock-report', what: caughtUp })
  expect(priceAlert).toMatchObject({ worker: 'price-alert' })
  for (const decision of [stockReport, priceAlert]) expect(slotsOf(decision, 10_000)).toContain(readTime(overdue))
  // Where the next slot came before anybody could decide, that one runs, and counts the overdue one as missed.
  if (priceAlert?.slot === readTime(overdue)) expect(priceAlert.what).toBe('missed')
  const [one, other, ...more] = lines.slice(3).map(readEntry)
  expect([one?.worker, other?.worker, ...more]).toEqual(['heartbeat', 'heartbeat'])
  expect(((other?.slot ?? 0) - (one?.slot ?? 0) + DAY_MS) % 3_000).toBe(0)
}

/** The lines of a step. */
function linesOf(stdout: string, step: string): string[] {
  const [, after = ''] = stdout.split(`. ${step}\n`)
  const [lines = ''] = after.split('\n\n')
  return lines.split('\n').flatMap((line) => (line.startsWith('   ') ? [line.slice(3)] : []))
}

/** `12:00:01.250  order-sync    on a` */
function readEntry(line: string) {
  const [, time = '', worker, on] = /^(\S+) {2}(\S+) +on (\S+)/.exec(line) ?? []
  return { slot: readTime(time), worker, on }
}

/** `12:00:10.000  stock-report  succeeded (catch-up), 1.7 s late with missedSlots 1` */
function readDecision(line: string) {
  const [, time = '', worker, what, missed = '0'] =
    /^(\S+) {2}(\S+) +(.+), \d+\.\d s late(?: with missedSlots (\d+))?$/.exec(line) ?? []
  return { slot: readTime(time), worker, what, missedSlots: Number(missed) }
}

/** What a decision is about: its slot, and those that it counts as missed. In ms since midnight. */
function slotsOf(decision: ReturnType<typeof readDecision> | undefined, periodMs: number): number[] {
  const { slot = Number.NaN, missedSlots = 0 } = decision ?? {}
  return Array.from({ length: missedSlots + 1 }, (_, index) => (slot - index * periodMs + DAY_MS) % DAY_MS)
}

/** `12:00:10.000`, in ms since midnight. */
function readTime(time: string): number {
  return Date.parse(`1970-01-01T${time}Z`)
}

function leftKeys(): Promise<string[]> {
  return withRedis(REDIS_URL, (redis) => redis.keys('*example-bullmq-*'))
}

function startExample(temporaryFolder: string, env: Record<string, string>): TestProcess {
  return new TestProcess(MAIN, { env, temporaryFolder, lifetimeMs: 220_000 })
}

function ownFolder() {
  return mkdtempDisposable(join(tmpdir(), 'example-bullmq-test-'))
}
