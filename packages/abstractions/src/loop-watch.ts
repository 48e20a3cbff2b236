import type { Clock, TimerHandle } from './clock.ts'
import type { SafeLogger } from './safe-logger.ts'
import { FINE_AFTER_MS } from './health.ts'
import type { HealthMonitor } from './health-monitor.ts'

/** How often it is looked whether the event loop comes round, in ms. */
const LOOK_MS = 1_000

/** What a loop watch needs of its manager. */
export interface LoopWatchParts {
  /** A timer that comes later than this is a lag of the event loop, in ms: half a lease. */
  readonly limitMs: number
  readonly logger: SafeLogger
  readonly health: HealthMonitor
  /** Whether the manager's own loop comes round when it is due; asked only while the event loop does. */
  readonly isProgressing: () => boolean
  /** @default the timers of the process, from before any test has faked them */
  readonly clock?: Pick<Clock, 'monotonicNow' | 'setTimer' | 'clearTimer'>
}

/**
 * Watches, with one timer, whether this process gets on: `event-loop-lag` when that timer comes late by more than half a
 * lease, `no-progress` when the manager's own loop does not come round. The timer does not keep the process alive.
 *
 * It is no timer of the manager's clock: whoever watches an alarm must not depend on it, and the lag of a loop is real time
 * also where a test moves a clock by hand.
 */
export class LoopWatch {
  readonly #parts: LoopWatchParts
  readonly #clock: Pick<Clock, 'monotonicNow' | 'setTimer' | 'clearTimer'>
  #timer: TimerHandle | undefined
  #dueAt = 0
  #laggedAt: number | undefined

  constructor(parts: LoopWatchParts) {
    this.#parts = parts
    this.#clock = parts.clock ?? realTime
  }

  /** Watches from now on. */
  start(): void {
    this.stop()
    this.#arm()
  }

  /** Takes its timer back and forgets what was wrong. */
  stop(): void {
    if (this.#timer !== undefined) this.#clock.clearTimer(this.#timer)
    this.#timer = undefined
    this.#laggedAt = undefined
    this.#parts.health.clear('event-loop-lag')
    this.#parts.health.clear('no-progress')
  }

  /** Looks whether the manager's own loop comes round; also what its timer does. */
  look(): void {
    const { health, logger, isProgressing } = this.#parts
    if (isProgressing()) {
      health.clear('no-progress')
      return
    }
    const message = 'The loop of the manager does not come round: no slot is decided. Restart the process.'
    if (health.add({ code: 'no-progress', message })) logger.error({}, 'the manager makes no progress')
  }

  #arm(): void {
    this.#dueAt = this.#clock.monotonicNow() + LOOK_MS
    this.#timer = this.#clock.setTimer(() => this.#ring(), LOOK_MS)
    if (typeof this.#timer === 'object') (this.#timer as { unref?: () => unknown }).unref?.()
  }

  #ring(): void {
    const lagMs = Math.round(this.#clock.monotonicNow() - this.#dueAt)
    this.#arm()
    this.#noteLag(lagMs)
    // After a block other timers are late too, and are about to ring.
    if (lagMs < LOOK_MS) this.look()
  }

  #noteLag(lagMs: number): void {
    const { limitMs, health, logger } = this.#parts
    const now = this.#clock.monotonicNow()
    if (lagMs > limitMs) {
      this.#laggedAt = now
      const message = `The event loop of this process stood still for ${lagMs} ms, or the process was suspended. Slots are late; a lease that is not renewed in time is lost, and its run may take place twice.`
      health.add({ code: 'event-loop-lag', message })
      logger.error(
        { lagMs, limitMs },
        'the event loop lagged, or the process was suspended: slots are late and leases may be lost',
      )
    } else if (this.#laggedAt !== undefined && now - this.#laggedAt > FINE_AFTER_MS) {
      this.#laggedAt = undefined
      health.clear('event-loop-lag')
    }
  }
}

const { setTimeout, clearTimeout, performance } = globalThis
const realNow = performance.now.bind(performance)

const realTime: NonNullable<LoopWatchParts['clock']> = {
  monotonicNow: realNow,
  setTimer: (callback, delayMs) => setTimeout(callback, delayMs),
  clearTimer: (handle) => clearTimeout(handle as NodeJS.Timeout),
}
