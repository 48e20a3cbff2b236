import { describe, expect, it } from 'vitest'
import { ForgedHistory, PERIOD_MS, SLOT, kindsOf } from '../test/forged-history.ts'
import { LEASE_CHECK_MS, LEASE_RENEWAL_MS, ON_TIME_MS } from './allowances.ts'
import { judge } from './oracle.ts'

describe('ran-twice', () => {
  it('is a run that is started again', () => {
    expect(kindsOf((history) => history.body(SLOT, { from: SLOT + 500, to: SLOT + 600, process: 2 }))).toContain(
      'ran-twice',
    )
  })

  it('is not one that is recovered once after its process died; a third start is', () => {
    const recovered = (history: ForgedHistory) => {
      history.policy({ onCrash: 'recover' })
      history.fault('kill', SLOT + 50, SLOT + 60, [0])
      history.body(SLOT, { from: SLOT + 10, to: SLOT + 50, hasEnded: false, instead: true })
      history.body(SLOT, { from: SLOT + 400, to: SLOT + 500, process: 2 })
    }
    expect(kindsOf(recovered)).toEqual([])
    expect(
      kindsOf((history) => {
        recovered(history)
        history.body(SLOT, { from: SLOT + 600, to: SLOT + 700, process: 1 })
      }),
    ).toEqual(['ran-twice'])
  })

  it('is a run that is recovered though it had ended', () => {
    expect(
      kindsOf((history) => {
        history.policy({ onCrash: 'recover' })
        history.body(SLOT, { from: SLOT + 400, to: SLOT + 500, process: 2 })
      }),
    ).toEqual(['ran-twice'])
  })

  it('is none that had ended while it could not say so, and is recovered when its lease has run out', () => {
    const unsaid = (faultAgoMs: number) =>
      kindsOf((history) => {
        history.policy({ onCrash: 'recover' })
        history.fault('half-open', SLOT + 20_000 - faultAgoMs, SLOT + 20_000, [0])
        history.body(SLOT, { from: SLOT + 20_000, to: SLOT + 20_100, process: 2 })
      }).filter((kind) => kind === 'ran-twice')
    expect(unsaid(12_000)).toEqual([])
    expect(unsaid(8_000)).toEqual(['ran-twice'])
  })

  it('is, with the default manager, none whose claim was forgotten in between', () => {
    const twice = (history: ForgedHistory) => history.body(SLOT, { from: SLOT + 500, to: SLOT + 600, process: 2 })
    expect(kindsOf(twice, 'default')).toContain('ran-twice')
    expect(
      kindsOf((history) => {
        history.empty(SLOT + 300)
        twice(history)
      }, 'default'),
    ).toEqual([])
    expect(
      kindsOf((history) => {
        history.empty(SLOT + 700)
        twice(history)
      }, 'default'),
    ).toContain('ran-twice')
    expect(
      kindsOf((history) => {
        history.empty(SLOT + 300)
        history.body(SLOT, { from: SLOT + 3_000, to: SLOT + 3_100, process: 2 })
        history.body(SLOT, { from: SLOT + 3_500, to: SLOT + 3_600, process: 3 })
      }, 'default'),
    ).toEqual(['ran-twice'])
  })
})

describe('overlap', () => {
  /** A run that goes on for so long beside its successors, of which there is one 30 s later. */
  const zombie = (history: ForgedHistory, endsAfterMs: number, abortedAfterMs?: number) => {
    for (let slot = SLOT + PERIOD_MS; slot < SLOT + 30_000; slot += PERIOD_MS) {
      history.skip(slot, { outcome: 'skipped', reason: 'overlap', blockedBy: `${history.worker}.${SLOT}` })
    }
    for (let slot = SLOT + 30_000 + PERIOD_MS; slot < SLOT + 60_000; slot += PERIOD_MS) {
      history.skip(slot, { outcome: 'skipped', reason: 'overlap', blockedBy: `${history.worker}.${SLOT + 30_000}` })
    }
    const abort = abortedAfterMs === undefined ? {} : { abort: { at: SLOT + abortedAfterMs, reason: 'lease-lost' } }
    history.body(SLOT, { from: SLOT + 10, to: SLOT + endsAfterMs, instead: true, ...abort })
    history.body(SLOT + 30_000, { from: SLOT + 30_010, to: SLOT + 59_000, instead: true, process: 2 })
  }
  const boundMs = 30_010 + LEASE_CHECK_MS

  it('is two runs at a time', () => {
    expect(
      kindsOf((history) => history.body(SLOT, { from: SLOT + 10, to: SLOT + PERIOD_MS + 500, instead: true })),
    ).toEqual(['overlap'])
  })

  it('is none after a lost lease, if the signal was aborted in time', () => {
    const isolated = (abortedAfterMs: number | undefined) =>
      kindsOf((history) => {
        history.fault('isolate', SLOT + 100, SLOT + 40_000, [0])
        zombie(history, 50_000, abortedAfterMs)
      })
    expect(isolated(25_000)).toEqual([])
    expect(isolated(boundMs)).toEqual([])
    expect(isolated(boundMs + 3_000)).toEqual(['overlap'])
    expect(isolated(undefined)).toEqual(['overlap'])
  })

  it('is one when nothing kept the run from renewing its lease', () => {
    expect(kindsOf((history) => zombie(history, 50_000, 25_000))).toContain('overlap')
    expect(
      kindsOf((history) => {
        history.fault('isolate', SLOT + 100, SLOT + 40_000, [1])
        zombie(history, 50_000, 25_000)
      }),
    ).toEqual(['overlap'])
    expect(
      kindsOf((history) => {
        history.fault('isolate', SLOT + 25_000, SLOT + 40_000, [0])
        zombie(history, 50_000, 25_000)
      }),
    ).toContain('overlap')
  })

  it('is one when the run was kept from it for less than what is left of a lease', () => {
    const cutOff = (forMs: number) =>
      kindsOf((history) => {
        history.fault('half-open', SLOT + 15_000, SLOT + 15_000 + forMs, [0])
        zombie(history, 50_000, 25_000)
      }).includes('overlap')
    expect(cutOff(0)).toBe(true)
    expect(cutOff(3_000)).toBe(false)
  })

  it('is none of a process that stood still, which can not look', () => {
    const still = (toMs: number) =>
      kindsOf((history) => {
        history.fault('suspend', SLOT + 100, SLOT + toMs, [0])
        history.stall(1, SLOT + 100, SLOT + toMs)
        zombie(history, 50_000, 45_000)
      })
    expect(still(44_000)).toEqual([])
    expect(still(31_000)).toEqual(['overlap'])
  })

  it('is none when Redis was emptied, until the next renewal tells', () => {
    const emptied = (abortedAfterMs: number) =>
      kindsOf((history) => {
        history.empty(SLOT + 29_000)
        zombie(history, 55_000, abortedAfterMs)
      })
    expect(emptied(boundMs + LEASE_RENEWAL_MS)).toEqual([])
    expect(emptied(boundMs + LEASE_RENEWAL_MS + 3_000)).toEqual(['overlap'])
  })

  it('that a lost lease explains is listed with its time', () => {
    const forged = new ForgedHistory('bullmq')
    forged.fault('isolate', SLOT + 100, SLOT + 40_000, [0])
    zombie(forged, 40_010, 32_010)
    expect(judge(forged.history()).leaseOverlaps).toEqual([
      {
        worker: forged.worker,
        runId: `${forged.worker}.${SLOT}`,
        successor: `${forged.worker}.${SLOT + 30_000}`,
        overlapMs: 10_000,
        reactedAfterMs: 2_000,
      },
    ])
  })
})

it('reports a run that begins early, by the clock that its manager goes by', () => {
  const early = (history: ForgedHistory) => history.body(SLOT, { from: SLOT - 700, to: SLOT - 600, instead: true })
  expect(kindsOf(early)).toEqual(['early'])
  expect(kindsOf((history) => history.body(SLOT, { from: SLOT - 500, to: SLOT - 400, instead: true }))).toEqual([])
  expect(
    kindsOf(
      (history) => history.body(SLOT, { from: SLOT - 700, ownFrom: SLOT, to: SLOT - 600, instead: true }),
      'default',
    ),
  ).toEqual([])
  expect(kindsOf(early, 'default')).toEqual(['early'])
  expect(
    kindsOf((history) => {
      history.fault('clock', SLOT - 3 * PERIOD_MS, SLOT - PERIOD_MS, [0], { ms: 3_000 })
      early(history)
    }, 'default'),
  ).toEqual([])
})

it('reports a run outside of its window', () => {
  expect(kindsOf((history) => history.run(SLOT, { lateByMs: PERIOD_MS / 2 }))).toEqual([])
  expect(kindsOf((history) => history.run(SLOT, { lateByMs: PERIOD_MS / 2 + 1 }))).toEqual(['outside-window'])
})

it('reports a run without a record, unless Redis was emptied just then', () => {
  expect(kindsOf((history) => history.unrecord(SLOT))).toEqual(['without-record'])
  expect(
    kindsOf((history) => {
      history.empty(SLOT + 1_000)
      history.unrecord(SLOT)
    }),
  ).toEqual([])
  expect(
    kindsOf((history) => {
      history.empty(SLOT + ON_TIME_MS + 1_000)
      history.unrecord(SLOT)
    }),
  ).toEqual(['without-record'])
})

it('reports a record that stays without an outcome', () => {
  expect(kindsOf((history) => history.run(SLOT, { outcome: undefined }))).toEqual(['without-outcome'])
})

it('reports a timeout that does not abort the signal', () => {
  const slow = (history: ForgedHistory, abort?: { at: number; reason: string }) => {
    history.policy({ timeoutMs: 1_000 })
    for (let slot = SLOT + PERIOD_MS; slot <= SLOT + 4 * PERIOD_MS; slot += PERIOD_MS) {
      history.skip(slot, { outcome: 'skipped', reason: 'overlap' })
    }
    history.body(SLOT, { from: SLOT + 10, to: SLOT + 4 * PERIOD_MS, instead: true, ...(abort && { abort }) })
  }
  expect(kindsOf((history) => slow(history))).toEqual(['timeout-ignored'])
  const standsStill = (history: ForgedHistory) => {
    history.stall(1, SLOT + 20, SLOT + 4 * PERIOD_MS - 20)
    slow(history)
  }
  expect(kindsOf(standsStill)).toEqual([])
  expect(kindsOf((history) => slow(history, { at: SLOT + 1_010, reason: 'run-timeout' }))).toEqual([])
})
