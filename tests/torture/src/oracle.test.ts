import { describe, expect, it } from 'vitest'
import { ForgedHistory, P } from '../test/forged-history.ts'
import {
  BARELY_MISSED_MS,
  LEASE_CHECK_MS,
  LEASE_RENEWAL_MS,
  MAX_SILENCE_MS,
  MEETS_PAUSE_MS,
  ON_TIME_MS,
  RECOVERY_MS,
  STOPPING_MS,
  mostBarelyMissed,
} from './allowances.ts'
import { judge } from './oracle.ts'
import { type FaultKind, RESTORE_MS, TAKE_OVER_MS } from './script.ts'

/** What the oracle says of a history in which `change` went differently. */
function kindsOf(change: (history: ForgedHistory) => void, manager: 'bullmq' | 'default' = 'bullmq'): string[] {
  const forged = new ForgedHistory(manager)
  change(forged)
  return [...new Set(judge(forged.history()).violations.map(({ kind }) => kind))]
}

const S = ForgedHistory.slot(30)

describe('judge', () => {
  it.each(['bullmq', 'default'] as const)('finds nothing in a history without faults (%s)', (manager) => {
    expect(kindsOf(() => {}, manager)).toEqual([])
  })

  it('counts slots, runs and what did not run', () => {
    const forged = new ForgedHistory('bullmq')
    forged.skip(S, { outcome: 'missed', reason: 'late' })
    const [figures] = judge(forged.history()).figures
    expect(figures).toMatchObject({ slots: 60, runs: 59, missed: 1, skipped: 0, notOwed: 0, longestSilenceMs: 2 * P })
  })

  describe('undecided', () => {
    it('is a slot without a decision', () => {
      expect(kindsOf((history) => history.drop(S))).toEqual(['undecided'])
    })

    it('is not one that a later record counts, though it is late', () => {
      const counted = (history: ForgedHistory) => {
        history.drop(S)
        history.run(S + P, { missedSlots: 1 })
      }
      expect(kindsOf(counted)).toEqual(['late'])
      expect(
        kindsOf((history) => {
          history.fault('kill', S, S + 100, [0])
          counted(history)
        }),
      ).toEqual([])
    })

    it('is not one during a pause; one after it is', () => {
      const paused = (history: ForgedHistory) => history.pause(S, S + 3 * P)
      const drop = (history: ForgedHistory, to: number) => {
        for (let slot = S; slot <= to; slot += P) history.drop(slot)
      }
      expect(
        kindsOf((history) => {
          paused(history)
          drop(history, S + 3 * P)
        }),
      ).toEqual([])
      expect(
        kindsOf((history) => {
          paused(history)
          drop(history, S + 4 * P)
        }),
      ).toEqual(['undecided'])
    })

    it('is not one that met a pause because something had held it up; without that it is', () => {
      const late = (history: ForgedHistory) => {
        history.pause(S + 5 * P, S + 7 * P)
        for (let slot = S; slot <= S + 7 * P; slot += P) history.drop(slot)
      }
      expect(kindsOf(late)).toEqual(['undecided'])
      expect(
        kindsOf((history) => {
          history.fault('redis-kill', S - 100, S + 100)
          late(history)
        }),
      ).toEqual([])
    })

    it('is not one that waited for longer before a pause than it may, or that a later one overtook', () => {
      const undecided = (agoMs: number, upToMs: number) =>
        kindsOf((history) => {
          history.pause(S + agoMs, S + agoMs + P)
          for (let slot = S; slot <= S + upToMs; slot += P) history.drop(slot)
        })
      expect(undecided(MEETS_PAUSE_MS - 100, 0)).toEqual([])
      expect(undecided(MEETS_PAUSE_MS + 100, P)).toEqual(['undecided'])
      expect(
        kindsOf((history) => {
          history.fault('redis-kill', S - 100, S + 100)
          history.drop(S)
          history.pause(S + 3 * P, S + 5 * P)
        }),
      ).toEqual(['undecided'])
    })

    describe('is not one that was forgotten with an emptied Redis:', () => {
      const emptied = (dropped: readonly number[], change: (history: ForgedHistory) => void = () => {}) =>
        kindsOf((history) => {
          history.empty(S)
          for (const number of dropped) history.drop(S + number * P)
          change(history)
        })
      const restoredWith = Math.floor(RESTORE_MS / P)

      it('one that waited just then is none', () => {
        expect(emptied([-1, 0])).toEqual([])
        expect(emptied([-1])).toEqual(['undecided'])
        const blocked = { outcome: 'skipped', reason: 'overlap', blockedBy: `forged.${S - P}` } as const
        expect(emptied([-1], (history) => history.skip(S, blocked))).toEqual([])
        expect(emptied([-1], (history) => history.skip(S, { outcome: 'missed', reason: 'late' }))).toEqual([])
        expect(emptied([-1], (history) => history.skip(S, { ...blocked, blockedBy: `forged.${S - 2 * P}` }))).toEqual([
          'undecided',
        ])
      })

      it('one that comes before the worker is restored is none', () => {
        const numbers = Array.from({ length: restoredWith + 1 }, (_, number) => number)
        expect(emptied(numbers)).toEqual([])
        expect(emptied([...numbers, restoredWith + 1])).toEqual(['undecided'])
        expect(emptied([0, 2])).toEqual(['undecided'])
        const early = { outcome: 'missed', reason: 'late' } as const
        expect(emptied([0, 2], (history) => history.skip(S + P, early, undefined, S - 100))).toEqual([])
      })
    })

    it('is, with the default manager, a slot that one process says nothing of', () => {
      expect(kindsOf((history) => history.silence(1, S), 'default')).toEqual(['undecided'])
    })

    it('is, with the default manager, none that waits for its lock until its process stops', () => {
      const waits = (stoppingAfterMs: number) =>
        kindsOf((history) => {
          history.fault('isolate', S, S + 3 * P, [0])
          for (const slot of [S, S + P, S + 2 * P, S + 3 * P]) history.silence(1, slot)
          for (const slot of [S + P, S + 2 * P, S + 3 * P]) {
            history.skip(slot, { outcome: 'skipped', reason: 'overlap', blockedBy: `${history.worker}.${S}` }, 'too')
          }
          history.replaceAll(S + stoppingAfterMs, S + stoppingAfterMs + 200)
        }, 'default')
      expect(waits(3 * P + 500)).toEqual([])
      expect(waits(3 * P + P + STOPPING_MS + 100)).toEqual(['undecided'])
    })

    it('is, with the default manager, none that was set back with a clock', () => {
      expect(
        kindsOf((history) => {
          history.fault('clock', S - P, S + P, [0], { ms: 3_000 })
          history.silence(1, S)
        }, 'default'),
      ).toEqual([])
    })
  })

  it('owes nothing, with the default manager, while no process is up until the jitter of a slot has passed', () => {
    const replaced = (stoppingAfterMs: number, jitterMs: number) =>
      kindsOf((history) => {
        history.policy({ jitterMs })
        history.replaceAll(S + stoppingAfterMs, S + 10)
        history.drop(S)
      }, 'default')
    expect(replaced(STOPPING_MS - 10, 0)).toEqual([])
    expect(replaced(STOPPING_MS + 10, 0)).toEqual(['undecided'])
    expect(replaced(STOPPING_MS + 10, 500)).toEqual([])
    expect(replaced(STOPPING_MS + 510, 500)).toEqual(['undecided'])
  })

  describe('decided-twice', () => {
    it('is a slot that ran and was skipped', () => {
      expect(kindsOf((history) => history.skip(S, { outcome: 'skipped', reason: 'paused' }, 'too'))).toEqual([
        'decided-twice',
      ])
    })

    it('is a slot that was skipped twice', () => {
      expect(
        kindsOf((history) => {
          history.skip(S, { outcome: 'missed', reason: 'late' })
          history.skip(S, { outcome: 'missed', reason: 'late' }, 'too')
          history.fault('kill', S, S, [0])
        }),
      ).toEqual(['decided-twice'])
    })

    it('is none when Redis was emptied in between, and with it the first record', () => {
      const ranAfterwards = (emptiedAfterMs: number) =>
        kindsOf((history) => {
          history.body(S, { from: S + 900, to: S + 950, instead: true })
          history.skip(S, { outcome: 'skipped', reason: 'overlap', blockedBy: `forged.${S - P}` }, 'too')
          history.empty(S + emptiedAfterMs)
        })
      expect(ranAfterwards(500)).toEqual([])
      expect(ranAfterwards(901)).toEqual(['decided-twice'])
      const missedTwice = (emptiedAfterMs: number) =>
        kindsOf((history) => {
          history.skip(S, { outcome: 'missed', reason: 'late' })
          history.skip(S, { outcome: 'missed', reason: 'late' }, 'too', S + 900)
          history.empty(S + emptiedAfterMs)
        })
      expect(missedTwice(500)).toEqual([])
      expect(missedTwice(901)).toEqual(['decided-twice'])
    })

    it('is a slot that ran and is counted as missed', () => {
      expect(kindsOf((history) => history.run(S + P, { missedSlots: 1 }))).toEqual(['decided-twice'])
    })

    it('is, with the default manager, judged in each process', () => {
      expect(
        kindsOf((history) => history.skip(S, { outcome: 'skipped', reason: 'held-elsewhere' }, 'too'), 'default'),
      ).toEqual(['decided-twice'])
    })

    it('is, with the default manager, no slot that comes again with a clock that is set back', () => {
      expect(
        kindsOf((history) => {
          history.fault('clock', S - P, S + P, [0], { ms: 3_000 })
          history.skip(S, { outcome: 'skipped', reason: 'held-elsewhere' }, 'too')
        }, 'default'),
      ).toEqual([])
    })
  })

  describe('ran-twice', () => {
    it('is a run that is started again', () => {
      expect(kindsOf((history) => history.body(S, { from: S + 500, to: S + 600, process: 2 }))).toContain('ran-twice')
    })

    it('is not one that is recovered once after its process died; a third start is', () => {
      const recovered = (history: ForgedHistory) => {
        history.policy({ onCrash: 'recover' })
        history.fault('kill', S + 50, S + 60, [0])
        history.body(S, { from: S + 10, to: S + 50, hasEnded: false, instead: true })
        history.body(S, { from: S + 400, to: S + 500, process: 2 })
      }
      expect(kindsOf(recovered)).toEqual([])
      expect(
        kindsOf((history) => {
          recovered(history)
          history.body(S, { from: S + 600, to: S + 700, process: 1 })
        }),
      ).toEqual(['ran-twice'])
    })

    it('is a run that is recovered though it had ended', () => {
      expect(
        kindsOf((history) => {
          history.policy({ onCrash: 'recover' })
          history.body(S, { from: S + 400, to: S + 500, process: 2 })
        }),
      ).toEqual(['ran-twice'])
    })

    it('is none that had ended while it could not say so, and is recovered when its lease has run out', () => {
      const unsaid = (faultAgoMs: number) =>
        kindsOf((history) => {
          history.policy({ onCrash: 'recover' })
          history.fault('half-open', S + 20_000 - faultAgoMs, S + 20_000, [0])
          history.body(S, { from: S + 20_000, to: S + 20_100, process: 2 })
        }).filter((kind) => kind === 'ran-twice')
      expect(unsaid(12_000)).toEqual([])
      expect(unsaid(8_000)).toEqual(['ran-twice'])
    })

    it('is, with the default manager, none whose claim was forgotten in between', () => {
      const twice = (history: ForgedHistory) => history.body(S, { from: S + 500, to: S + 600, process: 2 })
      expect(kindsOf(twice, 'default')).toContain('ran-twice')
      expect(
        kindsOf((history) => {
          history.empty(S + 300)
          twice(history)
        }, 'default'),
      ).toEqual([])
      expect(
        kindsOf((history) => {
          history.empty(S + 700)
          twice(history)
        }, 'default'),
      ).toContain('ran-twice')
      expect(
        kindsOf((history) => {
          history.empty(S + 300)
          history.body(S, { from: S + 3_000, to: S + 3_100, process: 2 })
          history.body(S, { from: S + 3_500, to: S + 3_600, process: 3 })
        }, 'default'),
      ).toEqual(['ran-twice'])
    })
  })

  describe('overlap', () => {
    /** A run that goes on for so long beside its successors, of which there is one 30 s later. */
    const zombie = (history: ForgedHistory, endsAfterMs: number, abortedAfterMs?: number) => {
      for (let slot = S + P; slot < S + 30_000; slot += P) {
        history.skip(slot, { outcome: 'skipped', reason: 'overlap', blockedBy: `${history.worker}.${S}` })
      }
      for (let slot = S + 30_000 + P; slot < S + 60_000; slot += P) {
        history.skip(slot, { outcome: 'skipped', reason: 'overlap', blockedBy: `${history.worker}.${S + 30_000}` })
      }
      const abort = abortedAfterMs === undefined ? {} : { abort: { at: S + abortedAfterMs, reason: 'lease-lost' } }
      history.body(S, { from: S + 10, to: S + endsAfterMs, instead: true, ...abort })
      history.body(S + 30_000, { from: S + 30_010, to: S + 59_000, instead: true, process: 2 })
    }
    const boundMs = 30_010 + LEASE_CHECK_MS

    it('is two runs at a time', () => {
      expect(kindsOf((history) => history.body(S, { from: S + 10, to: S + P + 500, instead: true }))).toEqual([
        'overlap',
      ])
    })

    it('is none after a lost lease, if the signal was aborted in time', () => {
      const isolated = (abortedAfterMs: number | undefined) =>
        kindsOf((history) => {
          history.fault('isolate', S + 100, S + 40_000, [0])
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
          history.fault('isolate', S + 100, S + 40_000, [1])
          zombie(history, 50_000, 25_000)
        }),
      ).toEqual(['overlap'])
      expect(
        kindsOf((history) => {
          history.fault('isolate', S + 25_000, S + 40_000, [0])
          zombie(history, 50_000, 25_000)
        }),
      ).toContain('overlap')
    })

    it('is one when the run was kept from it for less than what is left of a lease', () => {
      const cutOff = (forMs: number) =>
        kindsOf((history) => {
          history.fault('half-open', S + 15_000, S + 15_000 + forMs, [0])
          zombie(history, 50_000, 25_000)
        }).includes('overlap')
      expect(cutOff(0)).toBe(true)
      expect(cutOff(3_000)).toBe(false)
    })

    it('is none of a process that stood still, which can not look', () => {
      const still = (toMs: number) =>
        kindsOf((history) => {
          history.fault('suspend', S + 100, S + toMs, [0])
          history.stall(1, S + 100, S + toMs)
          zombie(history, 50_000, 45_000)
        })
      expect(still(44_000)).toEqual([])
      expect(still(31_000)).toEqual(['overlap'])
    })

    it('is none when Redis was emptied, until the next renewal tells', () => {
      const emptied = (abortedAfterMs: number) =>
        kindsOf((history) => {
          history.empty(S + 29_000)
          zombie(history, 55_000, abortedAfterMs)
        })
      expect(emptied(boundMs + LEASE_RENEWAL_MS)).toEqual([])
      expect(emptied(boundMs + LEASE_RENEWAL_MS + 3_000)).toEqual(['overlap'])
    })

    it('that a lost lease explains is listed with its time', () => {
      const forged = new ForgedHistory('bullmq')
      forged.fault('isolate', S + 100, S + 40_000, [0])
      zombie(forged, 40_010, 32_010)
      expect(judge(forged.history()).leaseOverlaps).toEqual([
        {
          worker: forged.worker,
          runId: `${forged.worker}.${S}`,
          successor: `${forged.worker}.${S + 30_000}`,
          overlapMs: 10_000,
          reactedAfterMs: 2_000,
        },
      ])
    })
  })

  describe('late', () => {
    it('is a run that begins late, and one on time is not', () => {
      const at = (ms: number) => kindsOf((history) => history.body(S, { from: S + ms, to: S + ms + 10, instead: true }))
      expect(at(ON_TIME_MS - 100)).toEqual([])
      expect(at(ON_TIME_MS + 100)).toEqual(['late'])
    })

    const missed = (history: ForgedHistory, slot: number, afterMs = BARELY_MISSED_MS + 100) =>
      history.skip(slot, { outcome: 'missed', reason: 'late' }, undefined, slot + afterMs)

    it('is a missed slot', () => {
      expect(kindsOf((history) => missed(history, S))).toEqual(['late'])
    })

    it('is none that was missed barely, if there are few of them', () => {
      const barely = (slots: number) =>
        kindsOf((history) => {
          history.fault('block', ForgedHistory.slot(50), ForgedHistory.slot(50) + 100, [0])
          for (let number = 1; number <= slots; number++)
            missed(history, ForgedHistory.slot(2 * number), BARELY_MISSED_MS)
        })
      expect(barely(mostBarelyMissed(58))).toEqual([])
      expect(barely(mostBarelyMissed(60) + 1)).toEqual(['late'])
    })

    it('is not one that follows what a clock that was ahead has decided ahead', () => {
      const decidedAt = (ms: number) =>
        kindsOf((history) => {
          history.fault('clock', S - 5 * P, S - 100, [0], { ms: 3_000 })
          const ahead = { outcome: 'skipped', reason: 'overlap', blockedBy: `forged.${S - P}` } as const
          history.skip(S, ahead, undefined, S - 100 + ms)
          missed(history, S + P)
        })
      expect(decidedAt(-1)).toEqual([])
      expect(decidedAt(1)).toEqual(['late'])
    })

    it('is not one that came due before the first slot in time was decided', () => {
      const passedOver = (first: number, slot: number) =>
        kindsOf((history) => {
          history.fault('block', S - 200, S - 100, [0])
          history.body(S, { from: S + first, to: S + first + 10, instead: true })
          missed(history, slot)
        })
      expect(passedOver(2 * P + 100, S + 2 * P)).toEqual([])
      expect(passedOver(2 * P - 100, S + 2 * P)).toEqual(['late'])
    })

    it('is one that was missed barely when no fault can be felt any more', () => {
      const barelyAfter = (ms: number) =>
        kindsOf((history) => {
          history.fault('block', S - P - 100, S - 100, [0])
          missed(history, S + ms, BARELY_MISSED_MS)
        })
      const slotsFelt = Math.floor((P + RECOVERY_MS - 100) / P)
      expect(barelyAfter(slotsFelt * P)).toEqual([])
      expect(barelyAfter((slotsFelt + 1) * P)).toEqual(['late'])
    })

    /** All slots are missed from just before the end of a fault until so long after it. */
    const missedAfter = (kind: FaultKind, untilMs: number) =>
      kindsOf((history) => {
        history.fault(kind, S - 100, S - 1, [0])
        for (let slot = S - P; slot <= S + untilMs; slot += P) missed(history, slot, slot < S ? 10 : undefined)
      })

    it('is none after a fault, until its last effect and a slot and 10 s', () => {
      expect(missedAfter('cut', TAKE_OVER_MS + RECOVERY_MS + P - 1)).toEqual([])
      expect(missedAfter('cut', TAKE_OVER_MS + RECOVERY_MS + 2 * P)).toEqual(['late'])
      expect(missedAfter('delay', RECOVERY_MS + P - 1)).toEqual([])
      expect(missedAfter('delay', RECOVERY_MS + 2 * P)).toEqual(['late'])
      expect(missedAfter('restart', 0)).toEqual(['late'])
    })

    it('is one after a fault when a slot of the worker has been on time again', () => {
      const relapsed = (slot: number) =>
        kindsOf((history) => {
          history.fault('cut', S - 100, S - 1, [0])
          missed(history, slot)
        })
      expect(relapsed(S)).toEqual([])
      expect(relapsed(S + P)).toEqual(['late'])
    })

    it('is none while a process stands still', () => {
      const stalled = (slot: number) =>
        kindsOf((history) => {
          history.stall(1, S - 400, S - 1)
          missed(history, slot)
        })
      expect(stalled(S)).toEqual([])
      expect(stalled(S + P)).toEqual(['late'])
    })

    it('is none whose jitter ends when something holds it up', () => {
      const jittered = (jitterMs: number) =>
        kindsOf((history) => {
          history.policy({ jitterMs })
          history.fault('delay', S + 2_000, S + 2_100, [0])
          missed(history, S, BARELY_MISSED_MS + jitterMs + 100)
        })
      expect(jittered(500)).toEqual(['late'])
      expect(jittered(1_200)).toEqual([])
    })
  })

  it('counts the slots that nothing would have excused', () => {
    const heldToTime = (change: (history: ForgedHistory) => void) => {
      const forged = new ForgedHistory('bullmq')
      change(forged)
      return judge(forged.history()).figures[0]?.heldToTime
    }
    expect(heldToTime(() => {})).toBe(60)
    // The slot during the fault, and the one after it, with which all is well again.
    expect(heldToTime((history) => history.fault('kill', S - 100, S + 100, [0]))).toBe(58)
  })

  it('reports a worker that falls silent, though faults excuse each late slot', () => {
    const silent = (slots: number) =>
      kindsOf((history) => {
        for (let count = 0; count < slots; count++) {
          history.skip(ForgedHistory.slot(5 + count), { outcome: 'missed', reason: 'late' })
          history.fault('delay', ForgedHistory.slot(5 + count), ForgedHistory.slot(6 + count), [0])
        }
      })
    expect(silent(MAX_SILENCE_MS / P)).toEqual([])
    expect(silent(MAX_SILENCE_MS / P + 1)).toEqual(['silent'])
  })

  it('reports a run that begins early, by the clock that its manager goes by', () => {
    const early = (history: ForgedHistory) => history.body(S, { from: S - 700, to: S - 600, instead: true })
    expect(kindsOf(early)).toEqual(['early'])
    expect(kindsOf((history) => history.body(S, { from: S - 500, to: S - 400, instead: true }))).toEqual([])
    expect(
      kindsOf((history) => history.body(S, { from: S - 700, ownFrom: S, to: S - 600, instead: true }), 'default'),
    ).toEqual([])
    expect(kindsOf(early, 'default')).toEqual(['early'])
    expect(
      kindsOf((history) => {
        history.fault('clock', S - 3 * P, S - P, [0], { ms: 3_000 })
        early(history)
      }, 'default'),
    ).toEqual([])
  })

  it('reports a run outside of its window', () => {
    expect(kindsOf((history) => history.run(S, { lateByMs: P / 2 }))).toEqual([])
    expect(kindsOf((history) => history.run(S, { lateByMs: P / 2 + 1 }))).toEqual(['outside-window'])
  })

  describe('skipped-without-cause', () => {
    const skippedFor = (slot: number, blockedBy: string) => (history: ForgedHistory) => {
      for (const blocked of [slot - P, slot, slot + P]) {
        history.skip(blocked, { outcome: 'skipped', reason: 'overlap', blockedBy })
      }
    }

    it('is a slot that was skipped for a run that was not there', () => {
      expect(kindsOf(skippedFor(S, 'ghost'))).toEqual(['skipped-without-cause'])
    })

    it('is none while the lease of a run goes on whose process is gone', () => {
      const orphaned = (agoMs: number) =>
        kindsOf((history) => {
          history.fault('kill', S - 10_000, S - 9_000, [0])
          skippedFor(S, `forged.${S - P - agoMs}`)(history)
        })
      const slots = Math.floor((TAKE_OVER_MS + RECOVERY_MS) / P) - 1
      expect(orphaned((slots - 1) * P)).toEqual([])
      expect(orphaned(slots * P)).toEqual(['skipped-without-cause'])
    })

    it('is none when a process stood still with the tick of that run, and is gone afterwards', () => {
      const dueAgoMs = TAKE_OVER_MS + RECOVERY_MS + 2 * P
      const held = (fromMs: number) =>
        kindsOf((history) => {
          const dueAt = S - dueAgoMs
          history.fault('suspend', dueAt + fromMs, dueAt + fromMs + 3 * P, [0])
          history.fault('kill', S - 10_000, S - 9_000, [0])
          skippedFor(S, `forged.${dueAt}`)(history)
        })
      expect(held(500)).toEqual([])
      expect(held(1_500)).toEqual(['skipped-without-cause'])
    })
  })

  it('reports a run without a record, unless Redis was emptied just then', () => {
    expect(kindsOf((history) => history.unrecord(S))).toEqual(['without-record'])
    expect(
      kindsOf((history) => {
        history.empty(S + 1_000)
        history.unrecord(S)
      }),
    ).toEqual([])
    expect(
      kindsOf((history) => {
        history.empty(S + ON_TIME_MS + 1_000)
        history.unrecord(S)
      }),
    ).toEqual(['without-record'])
  })

  it('reports a record that stays without an outcome', () => {
    expect(kindsOf((history) => history.run(S, { outcome: undefined }))).toEqual(['without-outcome'])
  })

  it('reports a timeout that does not abort the signal', () => {
    const slow = (history: ForgedHistory, abort?: { at: number; reason: string }) => {
      history.policy({ timeoutMs: 1_000 })
      for (let slot = S + P; slot <= S + 4 * P; slot += P) {
        history.skip(slot, { outcome: 'skipped', reason: 'overlap' })
      }
      history.body(S, { from: S + 10, to: S + 4 * P, instead: true, ...(abort && { abort }) })
    }
    expect(kindsOf((history) => slow(history))).toEqual(['timeout-ignored'])
    const standsStill = (history: ForgedHistory) => {
      history.stall(1, S + 20, S + 4 * P - 20)
      slow(history)
    }
    expect(kindsOf(standsStill)).toEqual([])
    expect(kindsOf((history) => slow(history, { at: S + 1_010, reason: 'run-timeout' }))).toEqual([])
  })

  it('reports what a process says', () => {
    expect(kindsOf((history) => history.problem('unhandled: Error'))).toEqual(['problem'])
  })

  describe('of a worker that releases declare differently', () => {
    const deployed = (history: ForgedHistory, slot: number) => {
      history.declare(true)
      history.deploy(S)
      history.drop(slot)
    }

    it('owes a slot while one release is in force', () => {
      expect(kindsOf((history) => deployed(history, S - P))).toEqual(['undecided'])
    })

    it('owes none while two releases are', () => {
      expect(kindsOf((history) => deployed(history, S + P))).toEqual([])
    })
  })
})
