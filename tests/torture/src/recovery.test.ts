import { describe, expect, it } from 'vitest'
import { recoveriesOf } from './recovery.ts'
import type { FaultKind } from './script.ts'

const fault = (from: number, to: number, kind: FaultKind = 'kill') => {
  return { fault: { kind, atMs: from, forMs: to - from, seats: [0] }, from, to }
}

/** Slots that were decided 10 ms after they were due. */
const timely = (worker: string, ...slots: number[]) => ({
  worker,
  timely: slots.map((slot) => ({ slot, at: slot + 10 })),
})

describe('recoveriesOf', () => {
  it('measures from the end of a fault until each worker has had a slot on time', () => {
    const slots = [timely('a', 500, 1_500, 4_500), timely('b', 3_000, 6_000)]
    expect(recoveriesOf({ faults: [fault(1_000, 2_000)], endMs: 9_000 }, slots)).toEqual([
      { from: 1_000, to: 2_000, tookMs: 2_510, slowest: 'a' },
    ])
  })

  it('measures from the end of the last fault when faults overlap, or come before all is well again', () => {
    const slots = [timely('a', 500, 1_500, 4_500, 7_000), timely('b', 3_000, 6_000, 7_500, 9_000)]
    const faults = [fault(5_000, 5_100), fault(1_000, 2_000), fault(1_500, 2_500), fault(4_000, 4_100)]
    expect(recoveriesOf({ faults, endMs: 9_000 }, slots)).toEqual([
      { from: 1_000, to: 5_100, tookMs: 1_910, slowest: 'a' },
    ])
  })

  it('counts each time that all was well again', () => {
    const slots = [timely('a', 3_000, 8_000)]
    const faults = [fault(1_000, 2_000), fault(4_000, 5_000)]
    expect(recoveriesOf({ faults, endMs: 9_000 }, slots).map(({ tookMs }) => tookMs)).toEqual([1_010, 3_010])
  })

  it('lasts until the end for a worker that is never on time again', () => {
    const slots = [timely('a', 3_000), timely('b', 1_500)]
    expect(recoveriesOf({ faults: [fault(1_000, 2_000)], endMs: 9_000 }, slots)).toEqual([
      { from: 1_000, to: 2_000, tookMs: 7_000, slowest: 'b' },
    ])
  })

  it('has nothing to do with what breaks nothing', () => {
    const faults = [fault(1_000, 2_000, 'pause'), fault(4_000, 5_000, 'restart')]
    expect(recoveriesOf({ faults, endMs: 9_000 }, [timely('a', 3_000)])).toEqual([])
  })
})
