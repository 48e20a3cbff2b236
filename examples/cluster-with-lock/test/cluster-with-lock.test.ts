import { mkdtempDisposable, readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { withRedis } from 'example-bullmq/example-redis'
import { TestProcess } from 'test-process'
import { describe, expect, it } from 'vitest'
import { type LedgerEntry, overlappingRuns, repeatedSlots } from '../src/ledger.ts'

const MAIN = new URL('../src/main.ts', import.meta.url)
// The set-up of the vitest project gives it.
const REDIS_URL = process.env.REDIS_URL as string

describe('the cluster with a lock', () => {
  it('runs each slot once through a kill and a stop, and leaves nothing behind', async () => {
    await using folder = await ownFolder()
    await using example = new TestProcess(MAIN, { env: { REDIS_URL }, temporaryFolder: folder.path })
    expect(await example.exit).toEqual({ code: 0, signal: null })
    expect(example.stderr).toBe('')
    const value = (title: string) => new RegExp(`^ {3}${title} {2,}(.+)$`, 'm').exec(example.stdout)?.[1]
    expect(Number(value('runs'))).toBeGreaterThanOrEqual(20)
    expect(value('on a, b and c')).toMatch(/^[1-9]\d*, [1-9]\d* and [1-9]\d*$/)
    for (const title of ['slots that ran twice', 'runs that overlapped', 'locks left behind']) {
      expect([title, value(title)]).toEqual([title, '0'])
    }
    expect(await withRedis(REDIS_URL, (redis) => redis.keys('*example-cluster-*'))).toEqual([])
    expect(await readdir(folder.path)).toEqual([])
  })
})

describe('what the ledger tells', () => {
  const begins = (slot: string, instance: string): LedgerEntry => ({ what: 'begins', worker: 'w', slot, instance })
  const ends = (slot: string, instance: string): LedgerEntry => ({ what: 'ends', worker: 'w', slot, instance })

  it('finds a slot that ran twice', () => {
    const entries = [begins('1', 'a'), ends('1', 'a'), begins('2', 'a'), ends('2', 'a'), begins('1', 'b')]
    expect(repeatedSlots(entries)).toEqual(['w at 1'])
  })

  it('finds runs that overlap, but for one that was killed', () => {
    const late = begins('2', 'b')
    expect(overlappingRuns([begins('1', 'a'), late, ends('1', 'a')], 'c')).toEqual([late])
    expect(overlappingRuns([begins('1', 'c'), late, ends('2', 'b'), begins('3', 'a')], 'c')).toEqual([])
  })
})

function ownFolder() {
  return mkdtempDisposable(join(tmpdir(), 'example-cluster-test-'))
}
