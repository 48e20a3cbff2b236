import { every } from '@background-workers/abstractions'
import { describe, expect, it } from 'vitest'
import { ForgedHistory, PERIOD_MS, SLOT, kindsOf } from '../test/forged-history.ts'
import {
  BARELY_MISSED_MS,
  MAX_SILENCE_MS,
  MEETS_PAUSE_MS,
  ON_TIME_MS,
  RECOVERY_MS,
  STOPPING_MS,
  mostBarelyMissed,
} from './allowances.ts'
import { judge } from './oracle.ts'
import { type FaultKind, RESTORE_MS, TAKE_OVER_MS } from './script.ts'

describe('undecided', () => {
  it('is a slot without a decision', () => {
    expect(kindsOf((history) => history.drop(SLOT))).toEqual(['undecided'])
  })

  it('is not one that a later record counts, though it is late', () => {
    const counted = (history: ForgedHistory) => {
      history.drop(SLOT)
      history.run(SLOT + PERIOD_MS, { missedSlots: 1 })
    }
    expect(kindsOf(counted)).toEqual(['late'])
    expect(
      kindsOf((history) => {
        history.fault('kill', SLOT, SLOT + 100, [0])
        counted(history)
      }),
    ).toEqual([])
  })

  it('is not one during a pause; one after it is', () => {
    const paused = (history: ForgedHistory) => history.pause(SLOT, SLOT + 3 * PERIOD_MS)
    const drop = (history: ForgedHistory, to: number) => {
      for (let slot = SLOT; slot <= to; slot += PERIOD_MS) history.drop(slot)
    }
    expect(
      kindsOf((history) => {
        paused(history)
        drop(history, SLOT + 3 * PERIOD_MS)
      }),
    ).toEqual([])
    expect(
      kindsOf((history) => {
        paused(history)
        drop(history, SLOT + 4 * PERIOD_MS)
      }),
    ).toEqual(['undecided'])
  })

  it('is not one that met a pause because something had held it up; without that it is', () => {
    const late = (history: ForgedHistory) => {
      history.pause(SLOT + 5 * PERIOD_MS, SLOT + 7 * PERIOD_MS)
      for (let slot = SLOT; slot <= SLOT + 7 * PERIOD_MS; slot += PERIOD_MS) history.drop(slot)
    }
    expect(kindsOf(late)).toEqual(['undecided'])
    expect(
      kindsOf((history) => {
        history.fault('redis-kill', SLOT - 100, SLOT + 100)
        late(history)
      }),
    ).toEqual([])
  })

  it('is one that waited before a pause for longer than it may, or that a later one overtook', () => {
    const undecided = (agoMs: number, upToMs: number) =>
      kindsOf((history) => {
        history.pause(SLOT + agoMs, SLOT + agoMs + PERIOD_MS)
        for (let slot = SLOT; slot <= SLOT + upToMs; slot += PERIOD_MS) history.drop(slot)
      })
    expect(undecided(MEETS_PAUSE_MS - 100, 0)).toEqual([])
    expect(undecided(MEETS_PAUSE_MS + 100, PERIOD_MS)).toEqual(['undecided'])
    expect(
      kindsOf((history) => {
        history.fault('redis-kill', SLOT - 100, SLOT + 100)
        history.drop(SLOT)
        history.pause(SLOT + 3 * PERIOD_MS, SLOT + 5 * PERIOD_MS)
      }),
    ).toEqual(['undecided'])
  })

  describe('is not one that was forgotten with an emptied Redis:', () => {
    const emptied = (dropped: readonly number[], change: (history: ForgedHistory) => void = () => {}) =>
      kindsOf((history) => {
        history.empty(SLOT)
        for (const number of dropped) history.drop(SLOT + number * PERIOD_MS)
        change(history)
      })
    const restoredWith = Math.floor(RESTORE_MS / PERIOD_MS)

    it('one that waited just then is none', () => {
      expect(emptied([-1, 0])).toEqual([])
      expect(emptied([-1])).toEqual(['undecided'])
      const blocked = { outcome: 'skipped', reason: 'overlap', blockedBy: `forged.${SLOT - PERIOD_MS}` } as const
      expect(emptied([-1], (history) => history.skip(SLOT, blocked))).toEqual([])
      expect(emptied([-1], (history) => history.skip(SLOT, { outcome: 'missed', reason: 'late' }))).toEqual([])
      expect(
        emptied([-1], (history) => history.skip(SLOT, { ...blocked, blockedBy: `forged.${SLOT - 2 * PERIOD_MS}` })),
      ).toEqual(['undecided'])
    })

    it('one that comes before the worker is restored is none', () => {
      const numbers = Array.from({ length: restoredWith + 1 }, (_, number) => number)
      expect(emptied(numbers)).toEqual([])
      expect(emptied([...numbers, restoredWith + 1])).toEqual(['undecided'])
      expect(emptied([0, 2])).toEqual(['undecided'])
      const early = { outcome: 'missed', reason: 'late' } as const
      expect(emptied([0, 2], (history) => history.skip(SLOT + PERIOD_MS, early, undefined, SLOT - 100))).toEqual([])
    })
  })

  it('is none that was forgotten with an emptied Redis, whatever another schedule would count as missed', () => {
    const kinds = kindsOf((history) => {
      history.declareOdd(every(3_000, { offset: 0 }))
      history.empty(SLOT - 3_500)
      for (let number = -1; number <= 8; number++) history.drop(SLOT + number * PERIOD_MS)
      // By a period of 3 s these would be others, one of them just after Redis was emptied.
      history.run(SLOT + 9 * PERIOD_MS, { kind: 'catch-up', missedSlots: 8 })
    })
    expect(kinds).toEqual([])
  })

  it('is, with the default manager, a slot that one process says nothing of', () => {
    expect(kindsOf((history) => history.silence(1, SLOT), 'default')).toEqual(['undecided'])
  })

  it('is, with the default manager, none that waits for its lock until its process stops', () => {
    const waits = (stoppingAfterMs: number) =>
      kindsOf((history) => {
        history.fault('isolate', SLOT, SLOT + 3 * PERIOD_MS, [0])
        for (const slot of [SLOT, SLOT + PERIOD_MS, SLOT + 2 * PERIOD_MS, SLOT + 3 * PERIOD_MS])
          history.silence(1, slot)
        for (const slot of [SLOT + PERIOD_MS, SLOT + 2 * PERIOD_MS, SLOT + 3 * PERIOD_MS]) {
          history.skip(slot, { outcome: 'skipped', reason: 'overlap', blockedBy: `${history.worker}.${SLOT}` }, 'too')
        }
        history.replaceAll(SLOT + stoppingAfterMs, SLOT + stoppingAfterMs + 200)
      }, 'default')
    expect(waits(3 * PERIOD_MS + 500)).toEqual([])
    expect(waits(3 * PERIOD_MS + PERIOD_MS + STOPPING_MS + 100)).toEqual(['undecided'])
  })

  it('is, with the default manager, none that was set back with a clock', () => {
    expect(
      kindsOf((history) => {
        history.fault('clock', SLOT - PERIOD_MS, SLOT + PERIOD_MS, [0], { ms: 3_000 })
        history.silence(1, SLOT)
      }, 'default'),
    ).toEqual([])
  })
})

it('a slot is not owed, with the default manager, while no process is up until its jitter has passed', () => {
  const replaced = (stoppingAfterMs: number, jitterMs: number) =>
    kindsOf((history) => {
      history.policy({ jitterMs })
      history.replaceAll(SLOT + stoppingAfterMs, SLOT + 10)
      history.drop(SLOT)
    }, 'default')
  expect(replaced(STOPPING_MS - 10, 0)).toEqual([])
  expect(replaced(STOPPING_MS + 10, 0)).toEqual(['undecided'])
  expect(replaced(STOPPING_MS + 10, 500)).toEqual([])
  expect(replaced(STOPPING_MS + 510, 500)).toEqual(['undecided'])
})

describe('late', () => {
  it('is a run that begins late, and one on time is not', () => {
    const at = (ms: number) =>
      kindsOf((history) => history.body(SLOT, { from: SLOT + ms, to: SLOT + ms + 10, instead: true }))
    expect(at(ON_TIME_MS - 100)).toEqual([])
    expect(at(ON_TIME_MS + 100)).toEqual(['late'])
  })

  const missed = (history: ForgedHistory, slot: number, afterMs = BARELY_MISSED_MS + 100) =>
    history.skip(slot, { outcome: 'missed', reason: 'late' }, undefined, slot + afterMs)

  it('is a missed slot', () => {
    expect(kindsOf((history) => missed(history, SLOT))).toEqual(['late'])
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
        history.fault('clock', SLOT - 5 * PERIOD_MS, SLOT - 3_100, [0], { ms: 3_000 })
        const ahead = { outcome: 'skipped', reason: 'overlap', blockedBy: `forged.${SLOT - PERIOD_MS}` } as const
        history.skip(SLOT, ahead, undefined, SLOT - 100 + ms)
        missed(history, SLOT + PERIOD_MS)
      })
    expect(decidedAt(-1)).toEqual([])
    expect(decidedAt(1)).toEqual(['late'])
  })

  it('is not one that a clock that was ahead has put off by as much', () => {
    const clockWas = (ms: number) =>
      kindsOf((history) => {
        history.fault('clock', SLOT - 5 * PERIOD_MS, SLOT - PERIOD_MS - 100, [0], { ms })
        missed(history, SLOT + PERIOD_MS)
      })
    expect(clockWas(2 * PERIOD_MS + 200)).toEqual([])
    expect(clockWas(PERIOD_MS)).toEqual(['late'])
    expect(clockWas(-2 * PERIOD_MS - 200)).toEqual(['late'])
  })

  it('is not one that came due before the first slot in time was decided', () => {
    const passedOver = (first: number, slot: number) =>
      kindsOf((history) => {
        history.fault('block', SLOT - 200, SLOT - 100, [0])
        history.body(SLOT, { from: SLOT + first, to: SLOT + first + 10, instead: true })
        missed(history, slot)
      })
    expect(passedOver(2 * PERIOD_MS + 100, SLOT + 2 * PERIOD_MS)).toEqual([])
    expect(passedOver(2 * PERIOD_MS - 100, SLOT + 2 * PERIOD_MS)).toEqual(['late'])
  })

  it('is one that was missed barely when no fault can be felt any more', () => {
    const barelyAfter = (ms: number) =>
      kindsOf((history) => {
        history.fault('block', SLOT - PERIOD_MS - 100, SLOT - 100, [0])
        missed(history, SLOT + ms, BARELY_MISSED_MS)
      })
    const slotsFelt = Math.floor((PERIOD_MS + RECOVERY_MS - 100) / PERIOD_MS)
    expect(barelyAfter(slotsFelt * PERIOD_MS)).toEqual([])
    expect(barelyAfter((slotsFelt + 1) * PERIOD_MS)).toEqual(['late'])
  })

  /** All slots are missed from just before the end of a fault until so long after it. */
  const missedAfter = (kind: FaultKind, untilMs: number) =>
    kindsOf((history) => {
      history.fault(kind, SLOT - 100, SLOT - 1, [0])
      for (let slot = SLOT - PERIOD_MS; slot <= SLOT + untilMs; slot += PERIOD_MS)
        missed(history, slot, slot < SLOT ? 10 : undefined)
    })

  it('is none after a fault, until its last effect and a slot and 10 s', () => {
    expect(missedAfter('cut', TAKE_OVER_MS + RECOVERY_MS + PERIOD_MS - 1)).toEqual([])
    expect(missedAfter('cut', TAKE_OVER_MS + RECOVERY_MS + 2 * PERIOD_MS)).toEqual(['late'])
    expect(missedAfter('delay', RECOVERY_MS + PERIOD_MS - 1)).toEqual([])
    expect(missedAfter('delay', RECOVERY_MS + 2 * PERIOD_MS)).toEqual(['late'])
    expect(missedAfter('restart', 0)).toEqual(['late'])
  })

  it('is one after a fault when a slot of the worker has been on time again', () => {
    const relapsed = (slot: number) =>
      kindsOf((history) => {
        history.fault('cut', SLOT - 100, SLOT - 1, [0])
        missed(history, slot)
      })
    expect(relapsed(SLOT)).toEqual([])
    expect(relapsed(SLOT + PERIOD_MS)).toEqual(['late'])
  })

  it('is none while a process stands still', () => {
    const stalled = (slot: number) =>
      kindsOf((history) => {
        history.stall(1, SLOT - 400, SLOT - 1)
        missed(history, slot)
      })
    expect(stalled(SLOT)).toEqual([])
    expect(stalled(SLOT + PERIOD_MS)).toEqual(['late'])
  })

  it('is none whose jitter ends when something holds it up', () => {
    const jittered = (jitterMs: number) =>
      kindsOf((history) => {
        history.policy({ jitterMs })
        history.fault('delay', SLOT + 2_000, SLOT + 2_100, [0])
        missed(history, SLOT, BARELY_MISSED_MS + jitterMs + 100)
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
  expect(heldToTime((history) => history.fault('kill', SLOT - 100, SLOT + 100, [0]))).toBe(58)
})

it('reports a worker that falls silent, though faults excuse each late slot', () => {
  const silent = (slots: number) =>
    kindsOf((history) => {
      for (let count = 0; count < slots; count++) {
        history.skip(ForgedHistory.slot(5 + count), { outcome: 'missed', reason: 'late' })
        history.fault('delay', ForgedHistory.slot(5 + count), ForgedHistory.slot(6 + count), [0])
      }
    })
  expect(silent(MAX_SILENCE_MS / PERIOD_MS)).toEqual([])
  expect(silent(MAX_SILENCE_MS / PERIOD_MS + 1)).toEqual(['silent'])
})

describe('a worker that releases declare differently', () => {
  const deployed = (history: ForgedHistory, slot: number) => {
    history.declareOdd(undefined)
    history.deploy(SLOT)
    history.drop(slot)
  }

  it('owes a slot while one release is in force', () => {
    expect(kindsOf((history) => deployed(history, SLOT - PERIOD_MS))).toEqual(['undecided'])
  })

  it('owes none that a fault held up until then', () => {
    const heldUp = (...slots: readonly number[]) =>
      kindsOf((history) => {
        history.declareOdd(undefined)
        history.deploy(SLOT - 100)
        history.fault('redis-kill', SLOT - 3 * PERIOD_MS, SLOT - 3 * PERIOD_MS + 100)
        for (const slot of slots) history.drop(slot)
      })
    expect(heldUp(SLOT - PERIOD_MS)).toEqual([])
    expect(heldUp(SLOT - 2 * PERIOD_MS, SLOT - PERIOD_MS)).toEqual([])
    expect(heldUp(SLOT - 2 * PERIOD_MS)).toEqual(['undecided'])
  })

  it('owes none while two releases are', () => {
    expect(kindsOf((history) => deployed(history, SLOT + PERIOD_MS))).toEqual([])
  })
})
