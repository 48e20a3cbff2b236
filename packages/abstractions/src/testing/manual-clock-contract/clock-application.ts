import assert from 'node:assert/strict'
import type { Clock, TimerHandle } from '../../clock.ts'
import type { IBackgroundWorkerManager } from '../../manager.ts'
import type { ManagerOptions } from '../../manager-options.ts'
import type { RunRecord } from '../../run-record.ts'
import { type Schedule, nextDueAt } from '../../schedule.ts'
import { TestApplication } from '../manager-contract/test-application.ts'
import { ManualClock } from '../manual-clock.ts'

/** The common options, and the clock of the test. */
export type ManualClockManagerOptions = ManagerOptions & { readonly clock: Clock }

/** What the application of a test is made of. */
export interface ClockApplicationParts {
  readonly createManager: (
    options: ManualClockManagerOptions,
  ) => IBackgroundWorkerManager | Promise<IBackgroundWorkerManager>
  readonly cleanUp: (manager: IBackgroundWorkerManager) => unknown
}

/** A manual clock whose timers can be made to fire too early, as those of Node do by a little. */
class TestClock extends ManualClock {
  /** The part of each delay that is waited for. */
  patience = 1

  override setTimer(callback: () => void, delayMs: number): TimerHandle {
    return super.setTimer(callback, this.patience === 1 ? delayMs : Math.floor(delayMs * this.patience))
  }
}

/** A second, in ms. */
export const SECOND_MS = 1_000
/** A minute, in ms. */
export const MINUTE_MS = 60_000
/** An hour, in ms. */
export const HOUR_MS = 3_600_000
/** A day, in ms. */
export const DAY_MS = 86_400_000

/** Within this time a manager notices that the machine slept or the clock was set. */
export const NOTICED_WITHIN_MS = 60_000

/** An application whose time the test moves. */
export class ClockApplication extends TestApplication {
  readonly clock: TestClock

  constructor({ createManager, cleanUp }: ClockApplicationParts) {
    const clock = new TestClock()
    super({
      createManager: (options) => createManager({ ...options, clock }),
      advance: (ms) => clock.advance(ms),
      cleanUp: async (manager) => {
        assert.equal(clock.timerCount, 0, 'no timer is left after stop')
        await cleanUp(manager)
      },
      shortPeriodMs: 50,
      minPeriodMs: 1,
    })
    this.clock = clock
  }

  /** Sets the clock before anything has started. */
  setTime(time: string): void {
    this.clock.step(Date.parse(time) - this.clock.now())
  }

  /** All decisions from now on, in the order in which they are made. */
  decisions(manager: IBackgroundWorkerManager): RunRecord[] {
    const decided: RunRecord[] = []
    manager.on('run-started', (record) => decided.push(record))
    manager.on('run-skipped', (record) => decided.push(record))
    return decided
  }
}

/** The slots after `fromMs`, up to and with `untilMs`. */
export function slotsBetween(schedule: Schedule, workerName: string, fromMs: number, untilMs: number): number[] {
  const slots: number[] = []
  for (
    let slot = nextDueAt(schedule, fromMs, workerName);
    slot !== undefined && slot <= untilMs;
    slot = nextDueAt(schedule, slot, workerName)
  ) {
    slots.push(slot)
  }
  return slots
}

/** The times that records or contexts are for, readable in a failed test. */
export function timesOf(runs: readonly { readonly scheduledFor: Date }[]): string[] {
  return runs.map(({ scheduledFor }) => scheduledFor.toISOString())
}
