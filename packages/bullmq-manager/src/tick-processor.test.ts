import { type RunRecord, every } from '@background-workers/abstractions'
import { fillPolicy } from '@background-workers/abstractions/for-managers'
import { describe, expect, it, vi } from 'vitest'
import { RedisClock } from './redis-clock.ts'
import { type TickParts, processTick } from './tick-processor.ts'

const PERIOD_MS = 2_000
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const slot = 1_767_225_600_000

/** A worker whose late slot is missed, or is skipped for a run that is in the way, and what is told of it. */
function lateWorker(
  marks: { readonly decidedUpTo: number; readonly startedUpTo?: number },
  blockedBy?: string,
  guard = blockedBy,
) {
  let { decidedUpTo } = marks
  let decidedMeanwhile: number | undefined
  const told: RunRecord[] = []
  const parts = {
    clock: { now: () => slot + 1_500, measureIfDoubtful: async () => {} },
    instanceId: 'one',
    ticking: new Map(),
    store: {
      read: async () => ({
        ...marks,
        name: 'digest',
        decidedUpTo,
        definition: {
          schedule: every(PERIOD_MS, { offset: 0 }),
          policy: fillPolicy(blockedBy === undefined ? { misfire: 'skip' } : { catchUpWindowMs: PERIOD_MS }),
        },
      }),
      // The same record is written twice with success: the answer to the first may have been lost.
      decideNonRun: async () => {
        decidedUpTo = decidedMeanwhile ?? slot
        if (decidedMeanwhile === undefined) return true
        decidedMeanwhile = undefined
        return undefined
      },
      raiseDecided: async (_worker: string, raisedTo: number) => {
        decidedUpTo = raisedTo
      },
    },
    runQueues: { add: async () => blockedBy, guardOf: async () => guard },
    activeElsewhere: async () => undefined,
    slotSkipped: (record: RunRecord) => told.push(record),
  } as unknown as TickParts
  /** Another instance decides this slot between what the tick reads and what it writes. */
  const decideMeanwhile = (dueAt: number) => {
    decidedMeanwhile = dueAt
  }
  return { told, tick: () => processTick(`repeat:digest:${slot}`, parts), parts, decideMeanwhile }
}

it('tells once of a slot whose tick comes twice at the same time', async () => {
  const { told, tick, parts } = lateWorker({ decidedUpTo: slot - 1 })
  await Promise.all([tick(), tick()])
  expect(told.map(({ runId }) => runId)).toEqual([`digest.${slot}`])
  expect(parts.ticking.size).toBe(0)
})

it('does not count a slot as missed that has started, though its tick was cut off before it could say so', async () => {
  const decidedUpTo = slot - 3 * PERIOD_MS
  const counting = lateWorker({ decidedUpTo })
  await counting.tick()
  expect(counting.told).toMatchObject([{ runId: `digest.${slot}`, missedSlots: 2 }])
  const started = lateWorker({ decidedUpTo, startedUpTo: slot - PERIOD_MS })
  await started.tick()
  expect(started.told).toHaveLength(1)
  expect(started.told[0]).not.toHaveProperty('missedSlots')
})

it.each([
  ['counts what came after a slot whose run is in the way', `digest.${slot - 2 * PERIOD_MS}`, 1],
  ['counts nothing when that is the slot before', `digest.${slot - PERIOD_MS}`, undefined],
  ['counts all when it is a manual run', 'digest.m-1', 2],
  ['counts all when it is the run of a slot long ago', `digest.${slot - 9 * PERIOD_MS}`, 2],
])('%s', async (_title, blockedBy, missedSlots) => {
  const { told, tick } = lateWorker({ decidedUpTo: slot - 3 * PERIOD_MS }, blockedBy)
  await tick()
  expect(told).toHaveLength(1)
  expect(told[0]).toMatchObject({ outcome: 'skipped', reason: 'overlap', blockedBy })
  expect(told[0]?.missedSlots).toBe(missedSlots)
})

it('skips a slot whose run is in the way also when it is late, and does not count that one as missed', async () => {
  const blockedBy = `digest.${slot - 2 * PERIOD_MS}`
  const { told, tick } = lateWorker({ decidedUpTo: slot - 3 * PERIOD_MS }, undefined, blockedBy)
  await tick()
  const skipped = { outcome: 'skipped', reason: 'overlap', blockedBy }
  expect(told).toMatchObject([{ runId: `digest.${slot}`, ...skipped, missedSlots: 1 }])
})

it('a slot whose own run waits is not in its own way', async () => {
  const { told, tick } = lateWorker({ decidedUpTo: slot - PERIOD_MS }, undefined, `digest.${slot}`)
  await tick()
  expect(told).toMatchObject([{ runId: `digest.${slot}`, outcome: 'missed', reason: 'late' }])
})

it('counts again when an earlier slot was decided after it had counted', async () => {
  const { told, tick, decideMeanwhile } = lateWorker({ decidedUpTo: slot - 3 * PERIOD_MS })
  decideMeanwhile(slot - PERIOD_MS)
  await tick()
  expect(told).toHaveLength(1)
  expect(told[0]).not.toHaveProperty('missedSlots')
})

describe('a slot of a machine that was suspended', () => {
  for (const beforeMs of [15 * HOUR_MS, 500, -500]) {
    it.each([
      ['runs at once', 10 * 60_000, slot, 0],
      ['is the latest one', 2 * DAY_MS + 10 * 60_000, slot + 2 * DAY_MS, 2],
    ])(
      `%s, though the clock here stood still ${beforeMs} ms before it`,
      async (_title, pastMs, runSlot, missedSlots) => {
        expect(await addedRun(slot - beforeMs, slot + pastMs)).toMatchObject({ slot: runSlot, missedSlots, delayMs: 0 })
      },
    )
  }
})

it('a run still waits whose tick a machine has brought that is ahead of Redis', async () => {
  const { delayMs } = await addedRun(slot - 15 * HOUR_MS, slot - HOUR_MS)
  expect(delayMs).toBeGreaterThan(HOUR_MS / 2)
  expect(delayMs).toBeLessThanOrEqual(HOUR_MS)
})

/** The run that a tick adds for a daily slot, where the machine of its instance was suspended from then to now. */
async function addedRun(suspendedAt: number, now: number) {
  const clock = new RedisClock()
  clock.note([suspendedAt / 1_000, 0], clock.asking())
  const realNow = Date.now
  using _ = vi.spyOn(Date, 'now').mockImplementation(() => realNow() + now - suspendedAt)
  const added: { slot: number; missedSlots: number; delayMs: number }[] = []
  const definition = { schedule: every(DAY_MS, { offset: 0 }), policy: fillPolicy({}) }
  await processTick(`repeat:digest:${slot}`, {
    clock,
    client: { time: async () => [now / 1_000, 0] },
    instanceId: 'one',
    ticking: new Map(),
    store: {
      read: async () => ({ name: 'digest', decidedUpTo: slot - DAY_MS, definition }),
      raiseDecided: async () => {},
    },
    runQueues: { add: async (_queue: string, run: (typeof added)[number]) => void added.push(run) },
    decidedMarks: { add: () => {} },
    activeElsewhere: async () => undefined,
  } as unknown as TickParts)
  expect(added).toHaveLength(1)
  return added[0] as (typeof added)[number]
}
