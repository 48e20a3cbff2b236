import { describe, expect, it } from 'vitest'
import { ForgedHistory, P } from '../test/forged-history.ts'
import { LEASE_CHECK_MS, LEASE_RENEWAL_MS, MAX_SILENCE_MS, ON_TIME_MS, RECOVERY_MS, STOPPING_MS } from './allowances.ts'
import { judge } from './oracle.ts'
import { RESTORE_MS, TAKE_OVER_MS } from './script.ts'

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

    it('is not one that was forgotten with an emptied Redis; one that comes later is', () => {
      const emptied = (history: ForgedHistory) => {
        history.empty(S)
        history.drop(S)
      }
      expect(kindsOf(emptied)).toEqual([])
      const last = Math.floor(RESTORE_MS / P)
      expect(
        kindsOf((history) => {
          emptied(history)
          history.drop(S + last * P)
        }),
      ).toEqual([])
      expect(
        kindsOf((history) => {
          emptied(history)
          history.drop(S + (last + 1) * P)
        }),
      ).toEqual(['undecided'])
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

    it('is a missed slot, unless a fault held it up', () => {
      const missed = (history: ForgedHistory) => history.skip(S, { outcome: 'missed', reason: 'late' })
      expect(kindsOf(missed)).toEqual(['late'])
      const afterFault = (agoMs: number, kind: 'cut' | 'delay' | 'restart') =>
        kindsOf((history) => {
          history.fault(kind, S - agoMs - 10, S - agoMs, [0])
          missed(history)
        })
      expect(afterFault(TAKE_OVER_MS + RECOVERY_MS + P - 100, 'cut')).toEqual([])
      expect(afterFault(TAKE_OVER_MS + RECOVERY_MS + P + 100, 'cut')).toEqual(['late'])
      expect(afterFault(RECOVERY_MS + P - 100, 'delay')).toEqual([])
      expect(afterFault(RECOVERY_MS + P + 100, 'delay')).toEqual(['late'])
      expect(afterFault(0, 'restart')).toEqual(['late'])
    })
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

  it('reports a slot that was skipped for a run that was not there', () => {
    const skipped = (history: ForgedHistory) => {
      history.skip(S, { outcome: 'skipped', reason: 'overlap', blockedBy: 'ghost' })
      history.skip(S + P, { outcome: 'skipped', reason: 'overlap', blockedBy: 'ghost' })
      history.skip(S - P, { outcome: 'skipped', reason: 'overlap', blockedBy: 'ghost' })
    }
    expect(kindsOf(skipped)).toEqual(['skipped-without-cause'])
    expect(
      kindsOf((history) => {
        history.fault('kill', S - 20_000, S - 19_000, [0])
        skipped(history)
      }),
    ).toEqual([])
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
