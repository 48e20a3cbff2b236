import { expect, it } from 'vitest'
import { ForgedHistory, PERIOD_MS, SLOT } from '../test/forged-history.ts'
import type { JournalLine } from './journal.ts'
import { judge } from './oracle.ts'
import { printRow, printViolations, summarize } from './report.ts'
import { writeScript } from './script.ts'

const script = writeScript({ seed: 4, minutes: 1, seats: 3 })

function verdictOf(change: (history: ForgedHistory) => void) {
  const forged = new ForgedHistory('bullmq')
  change(forged)
  return judge(forged.history())
}

it('a failure prints the seed, the script and what happened around the slot', () => {
  const begin = {
    event: 'begin',
    worker: 'forged',
    runId: 'forged.1',
    slot: SLOT,
    kind: 'scheduled',
    attempt: 1,
  } as const
  const lines: JournalLine[] = [
    { ...begin, at: SLOT - 100, wall: SLOT, process: 2 },
    { ...begin, worker: 'other', at: SLOT, wall: SLOT, process: 2 },
    { event: 'stall', ms: 400, at: SLOT + 500, wall: SLOT, process: 1 },
    { event: 'stall', ms: 400, at: SLOT + 60_000, wall: SLOT, process: 1 },
  ]
  const text = printViolations(
    script,
    verdictOf((history) => history.drop(SLOT)),
    lines,
  )
  expect(text).toContain('seed 4, 1 min, 3 processes')
  expect(text).toContain(`undecided: forged: slot ${SLOT} has no decision`)
  expect(text).toContain('-100 ms  process 2  begin')
  expect(text).toContain('+500 ms  process 1  stall')
  expect(text).not.toMatch(/other|\+60000/)
})

it('a summary counts what was carried out and what came of it', () => {
  const verdict = verdictOf((history) => history.drop(SLOT))
  const done = script.faults.slice(0, 3)
  expect(summarize(script, 'bullmq', done, verdict)).toMatchObject({
    seed: 4,
    faults: 3,
    slotsPerWorker: { least: 60, median: 60 },
    runs: 59,
    undecided: 1,
    violations: 1,
    heldToTime: 60,
    recoveries: 0,
    longestRecoveryMs: 0,
  })
})

it('a summary has the longest of the times that it took until everything was on time again', () => {
  const verdict = verdictOf((history) => {
    history.fault('kill', SLOT - 100, SLOT + 100, [0])
    history.fault('kill', SLOT + 20_100, SLOT + 20_200, [0])
    history.drop(SLOT + PERIOD_MS)
    history.run(SLOT + 2 * PERIOD_MS, { missedSlots: 1 })
  })
  expect(summarize(script, 'bullmq', [], verdict)).toMatchObject({
    violations: 0,
    recoveries: 2,
    longestRecoveryMs: 2 * PERIOD_MS - 100 + 5,
  })
})

it('a summary is printed as a row of the figures', () => {
  const verdict = verdictOf((history) => history.fault('kill', SLOT - 100, SLOT + 100, [0]))
  expect(printRow(summarize(script, 'bullmq', script.faults.slice(0, 3), verdict))).toBe(
    '| bullmq | 4 | 1 | 3 (3) | 60 / 60 | 60 | 58 | 60 | 0 | 0 | 0 | 0 | 0 | 0 | 0.0 s | 0.0 s | 2.0 s | 1.9 s (1) |',
  )
})
