import { expect, it } from 'vitest'
import { readHistory } from './history.ts'
import type { JournalEvent, JournalLine } from './journal.ts'
import type { Fault } from './script.ts'

const kill: Fault = { kind: 'kill', atMs: 0, seats: [0], forMs: 100 }

function faultsOf(...events: readonly (readonly [at: number, event: JournalEvent])[]) {
  const lines = events.map(([at, event]): JournalLine => ({ ...event, at, wall: at, process: 0 }))
  return readHistory({ manager: 'bullmq', lines, stored: [], toMs: 900 }).faults
}

it('a fault lasts until it is over, or until the end', () => {
  expect(
    faultsOf(
      [100, { event: 'fault', index: 0, fault: kill }],
      [200, { event: 'fault', index: 1, fault: kill }],
      [300, { event: 'fault-over', index: 0, fault: kill }],
      [900, { event: 'stall', ms: 400 }],
    ),
  ).toEqual([
    { fault: kill, from: 100, to: 300 },
    { fault: kill, from: 200, to: 900 },
  ])
})

it('a fault for which there was no occasion is none', () => {
  expect(
    faultsOf(
      [100, { event: 'fault', index: 0, fault: kill }],
      [300, { event: 'fault-called-off', index: 0, fault: kill }],
    ),
  ).toEqual([])
})

it('a second in which the machine is overloaded counts as one in which it stands still', () => {
  const lines: JournalLine[] = [{ event: 'overload', load: 9, at: 5_000, wall: 5_000, process: 0 }]
  const { stalls } = readHistory({ manager: 'bullmq', lines, stored: [], toMs: 9_000 })
  expect(stalls).toEqual([{ process: 0, from: 4_000, to: 5_000 }])
})
