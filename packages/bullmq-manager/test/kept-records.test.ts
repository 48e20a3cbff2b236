import type { RunRecord } from '@background-workers/abstractions'
import { describe, it } from 'vitest'
import { type Store, firstStartOf } from '../src/store.ts'
import { claimedRun } from './fixtures/claimed-run.ts'
import { HOUR_MS, TestCluster, lastRareSlot } from './fixtures/cluster.ts'

/** Two of each kind are kept. */
const KEEP_RUNS = 2

/** How a record is written, that counts from `at` on. */
const WRITERS = {
  run: (store: Store, slot: number, at: number) => {
    const { record, claim } = claimedRun(slot, { token: `default/one/${slot}`, keepRuns: KEEP_RUNS })
    return store.decideRun({ ...record, startedAt: new Date(at) }, claim)
  },
  'non-run': (store: Store, slot: number, at: number) => {
    const record: RunRecord = { ...claimedRun(slot).record, attempts: 0, finishedAt: new Date(at), outcome: 'skipped' }
    return store.decideNonRun(record, slot, KEEP_RUNS)
  },
}

async function keptSlots(store: Store): Promise<number[]> {
  const records = await store.records('digest', undefined)
  return records.map(({ scheduledFor }) => scheduledFor.getTime()).sort((one, other) => one - other)
}

describe.concurrent('a record', () => {
  for (const kind of ['run', 'non-run'] as const) {
    const write = WRITERS[kind]

    it(`of a ${kind} is kept though the others were written by a clock that was ahead`, async ({ expect }) => {
      await using cluster = await TestCluster.open()
      const store = cluster.store()
      const first = lastRareSlot()
      const now = Date.now()
      await write(store, first, now)
      await write(store, first + 1, now + 1)
      await write(store, first + 2, now - HOUR_MS)
      expect(await keptSlots(store)).toEqual([first + 1, first + 2])
      await write(store, first + 3, now - HOUR_MS)
      expect(await keptSlots(store)).toEqual([first + 2, first + 3])
    })

    it(`of a ${kind} is kept after the marks were set back`, async ({ expect }) => {
      await using cluster = await TestCluster.open()
      const store = cluster.store()
      const slot = lastRareSlot()
      const ahead = slot + HOUR_MS
      for (const before of [ahead, ahead + 1]) await write(store, before, before)
      await cluster.redis.set(cluster.key('write-lock'), 'ours')
      expect(await store.setMarksBack('digest', slot, 'ours')).toBe(true)
      await write(store, slot + 1, slot + 1)
      expect(await keptSlots(store)).toEqual([slot + 1, ahead + 1])
    })
  }

  for (const [what, field] of [
    ['a run that ends', (runId: string) => runId],
    ['a run that is to be recovered', firstStartOf],
  ] as const) {
    it(`of ${what} after its clock was set back is the only one of it, and its slot is decided again`, async ({
      expect,
    }) => {
      await using cluster = await TestCluster.open()
      const store = cluster.store()
      const slot = lastRareSlot()
      const { record, claim } = claimedRun(slot)
      await store.decideRun(record, claim)
      await cluster.redis.set(cluster.key('write-lock'), 'ours')
      // Twice: the second time its record has another name already.
      for (const now of [slot - HOUR_MS, slot - 2 * HOUR_MS]) await store.setMarksBack('digest', now, 'ours')
      const aborted = { ...record, outcome: 'aborted' } as const
      await store.finishRun(aborted, claim.token, 100, true, field(record.runId))
      expect(await store.records('digest', undefined)).toEqual([aborted])
      expect(await store.decideRun(record, { ...claim, token: 'default/one/2' })).not.toBe('refused')
      expect((await store.records('digest', undefined)).map(({ outcome }) => outcome)).toHaveLength(2)
    })
  }
})
