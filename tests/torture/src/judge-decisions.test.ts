import { describe, expect, it } from 'vitest'
import { type ForgedHistory, PERIOD_MS, SLOT, kindsOf } from '../test/forged-history.ts'
import { RECOVERY_MS } from './allowances.ts'
import { TAKE_OVER_MS } from './script.ts'

describe('decided-twice', () => {
  it('is a slot that ran and was skipped', () => {
    expect(kindsOf((history) => history.skip(SLOT, { outcome: 'skipped', reason: 'paused' }, 'too'))).toEqual([
      'decided-twice',
    ])
  })

  it('is a slot that was skipped twice', () => {
    expect(
      kindsOf((history) => {
        history.skip(SLOT, { outcome: 'missed', reason: 'late' })
        history.skip(SLOT, { outcome: 'missed', reason: 'late' }, 'too')
        history.fault('kill', SLOT, SLOT, [0])
      }),
    ).toEqual(['decided-twice'])
  })

  it('is none when Redis was emptied in between, and with it the first record', () => {
    const ranAfterwards = (emptiedAfterMs: number) =>
      kindsOf((history) => {
        history.body(SLOT, { from: SLOT + 900, to: SLOT + 950, instead: true })
        history.skip(SLOT, { outcome: 'skipped', reason: 'overlap', blockedBy: `forged.${SLOT - PERIOD_MS}` }, 'too')
        history.empty(SLOT + emptiedAfterMs)
      })
    expect(ranAfterwards(500)).toEqual([])
    expect(ranAfterwards(901)).toEqual(['decided-twice'])
    const missedTwice = (emptiedAfterMs: number) =>
      kindsOf((history) => {
        history.skip(SLOT, { outcome: 'missed', reason: 'late' })
        history.skip(SLOT, { outcome: 'missed', reason: 'late' }, 'too', SLOT + 900)
        history.empty(SLOT + emptiedAfterMs)
      })
    expect(missedTwice(500)).toEqual([])
    expect(missedTwice(901)).toEqual(['decided-twice'])
  })

  it('is a slot that ran and is counted as missed', () => {
    expect(kindsOf((history) => history.run(SLOT + PERIOD_MS, { missedSlots: 1 }))).toEqual(['decided-twice'])
  })

  it('is, with the default manager, judged in each process', () => {
    expect(
      kindsOf((history) => history.skip(SLOT, { outcome: 'skipped', reason: 'held-elsewhere' }, 'too'), 'default'),
    ).toEqual(['decided-twice'])
  })

  it('is, with the default manager, no slot that comes again with a clock that is set back', () => {
    expect(
      kindsOf((history) => {
        history.fault('clock', SLOT - PERIOD_MS, SLOT + PERIOD_MS, [0], { ms: 3_000 })
        history.skip(SLOT, { outcome: 'skipped', reason: 'held-elsewhere' }, 'too')
      }, 'default'),
    ).toEqual([])
  })
})

describe('skipped-without-cause', () => {
  const skippedFor = (slot: number, blockedBy: string) => (history: ForgedHistory) => {
    for (const blocked of [slot - PERIOD_MS, slot, slot + PERIOD_MS]) {
      history.skip(blocked, { outcome: 'skipped', reason: 'overlap', blockedBy })
    }
  }

  it('is a slot that was skipped for a run that was not there', () => {
    expect(kindsOf(skippedFor(SLOT, 'ghost'))).toEqual(['skipped-without-cause'])
  })

  it('is none while the lease of a run goes on whose process is gone', () => {
    const orphaned = (agoMs: number) =>
      kindsOf((history) => {
        history.fault('kill', SLOT - 10_000, SLOT - 9_000, [0])
        skippedFor(SLOT, `forged.${SLOT - PERIOD_MS - agoMs}`)(history)
      })
    const slots = Math.floor((TAKE_OVER_MS + RECOVERY_MS) / PERIOD_MS) - 1
    expect(orphaned((slots - 1) * PERIOD_MS)).toEqual([])
    expect(orphaned(slots * PERIOD_MS)).toEqual(['skipped-without-cause'])
  })

  it('is none when a process stood still with the tick of that run, and is gone afterwards', () => {
    const dueAgoMs = TAKE_OVER_MS + RECOVERY_MS + 2 * PERIOD_MS
    const held = (fromMs: number) =>
      kindsOf((history) => {
        const dueAt = SLOT - dueAgoMs
        history.fault('suspend', dueAt + fromMs, dueAt + fromMs + 3 * PERIOD_MS, [0])
        history.fault('kill', SLOT - 10_000, SLOT - 9_000, [0])
        skippedFor(SLOT, `forged.${dueAt}`)(history)
      })
    expect(held(500)).toEqual([])
    expect(held(1_500)).toEqual(['skipped-without-cause'])
  })
})
