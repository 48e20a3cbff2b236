import type { Clock } from './clock.ts'
import type { EventHub } from './event-hub.ts'
import type { HealthMonitor } from './health-monitor.ts'
import type { SafeLogger } from './safe-logger.ts'

/** What an outage needs of its manager. */
export interface StoreOutageParts {
  readonly clock: Pick<Clock, 'monotonicNow'>
  readonly logger: SafeLogger
  readonly events: EventHub
  readonly health: HealthMonitor
}

/**
 * An outage of what a manager depends on (Redis, a distributed lock), told once when it begins and once when it is over,
 * however many calls fail: as a log line, an event and the health reason `store-lost`, which names the latest error while it lasts.
 */
export class StoreOutage {
  readonly #parts: StoreOutageParts
  #lostAt: number | undefined

  constructor(parts: StoreOutageParts) {
    this.#parts = parts
  }

  /** Since when it lasts, by the monotonic clock; `undefined` while there is none. */
  get lostAt(): number | undefined {
    return this.#lostAt
  }

  /** A call has failed; `message` is that of the health reason. Gives whether that is news: only then `line` is logged. */
  lost(error: unknown, line: string, message: string): boolean {
    const { clock, logger, events, health } = this.#parts
    const isNew = this.#lostAt === undefined
    if (isNew) {
      this.#lostAt = clock.monotonicNow()
      logger.error({ err: error }, line)
    }
    health.add({ code: 'store-lost', message })
    if (isNew) events.emit('store-lost', { error })
    return isNew
  }

  /** A call was answered; `details` go into the log. Gives whether an outage is over with it. */
  restored(line: string, details: object = {}): boolean {
    if (this.#lostAt === undefined) return false
    const { clock, logger, events, health } = this.#parts
    const downMs = Math.round(clock.monotonicNow() - this.#lostAt)
    this.#lostAt = undefined
    logger.info({ downMs, ...details }, line)
    health.clear('store-lost')
    events.emit('store-restored', { downMs })
    return true
  }

  /** A stop: nobody knows whether it lasts, so nobody is told that it is over. */
  forget(): void {
    this.#lostAt = undefined
    this.#parts.health.clear('store-lost')
  }
}
