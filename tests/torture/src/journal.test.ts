import { appendFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Journal, followJournals, monotonicMs, readJournals } from './journal.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'journal-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

describe('Journal', () => {
  it('keeps what several processes note, in the order of true time', () => {
    const anchorMs = 1_000_000 - monotonicMs()
    const [one, two] = [1, 2].map((process) => new Journal(folder, process, anchorMs))
    one?.write({ event: 'starting' })
    two?.write({ event: 'starting' })
    one?.write({ event: 'started' })
    one?.close()
    two?.close()
    const lines = readJournals(folder)
    expect(lines.map(({ process, event }) => `${process} ${event}`)).toEqual(['1 starting', '2 starting', '1 started'])
    expect(lines[0]?.at).toBeGreaterThanOrEqual(1_000_000)
    expect(lines[0]?.at).toBeLessThan(1_060_000)
  })

  it('reads the dates of records, and leaves out a line that is half written', () => {
    const journal = new Journal(folder, 1, 0)
    const scheduledFor = new Date(1_767_225_600_000)
    const record = { runId: 'a.1', worker: 'a', kind: 'scheduled', scheduledFor, attempts: 1, instanceId: 'i' } as const
    journal.write({ event: 'decision', said: 'run-started', record })
    journal.close()
    appendFileSync(join(folder, '1.jsonl'), '{"event":"beg')
    expect(readJournals(folder)).toMatchObject([{ event: 'decision', record }])
  })
})

it('followJournals gives what was noted since the last call, each line once and whole', () => {
  const journal = new Journal(folder, 1, 0)
  journal.write({ event: 'starting' })
  const newLines = followJournals(folder)
  expect(newLines()).toEqual([])
  journal.write({ event: 'problem', text: 'für alle' })
  appendFileSync(join(folder, '1.jsonl'), '{"event":"sto')
  new Journal(folder, 2, 0).write({ event: 'started' })
  expect(newLines().map(({ event }) => event)).toEqual(['problem', 'started'])
  appendFileSync(join(folder, '1.jsonl'), 'pped"}\n')
  expect(newLines().map(({ event }) => event)).toEqual(['stopped'])
  journal.close()
})

it('watchLoad notes when too many processes wait for each processor', () => {
  vi.useFakeTimers()
  const journal = new Journal(folder, 0, 0)
  const loads = [6, 6.5, 2]
  const end = journal.watchLoad(() => loads.shift() as number)
  vi.advanceTimersByTime(3_000)
  end()
  vi.useRealTimers()
  journal.close()
  expect(readJournals(folder)).toMatchObject([{ event: 'overload', load: 6.5 }])
})
