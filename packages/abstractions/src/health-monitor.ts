import type { EventHub } from './event-hub.ts'
import { FAILING_AFTER, type HealthCode, type HealthReason, type HealthStatus, healthStatus } from './health.ts'

/** Keeps what is wrong at present and says when the health as a whole changes. */
export class HealthMonitor {
  readonly #events: EventHub
  readonly #reasons = new Map<string, HealthReason>()
  #status: HealthStatus = 'ok'

  constructor(events: EventHub) {
    this.#events = events
  }

  get reasons(): readonly HealthReason[] {
    return [...this.#reasons.values()]
  }

  has(code: HealthCode, worker?: string): boolean {
    return this.#reasons.has(keyOf(code, worker))
  }

  /** Gives `false` when that was known. */
  add(reason: HealthReason): boolean {
    const key = keyOf(reason.code, reason.worker)
    const isNew = !this.#reasons.has(key)
    this.#reasons.set(key, reason)
    if (isNew) this.#announce()
    return isNew
  }

  /** Gives `false` when there was no such reason. */
  clear(code: HealthCode, worker?: string): boolean {
    const wasThere = this.#reasons.delete(keyOf(code, worker))
    if (wasThere) this.#announce()
    return wasThere
  }

  /** Takes up that a worker's last runs failed, or no longer do. */
  noteFailures(worker: string, consecutiveFailures: number): void {
    if (consecutiveFailures < FAILING_AFTER) this.clear('failing', worker)
    else
      this.add({
        worker,
        code: 'failing',
        message: `Worker "${worker}" failed ${consecutiveFailures} times in a row.`,
      })
  }

  clearWorker(worker: string): void {
    for (const { code, worker: owner } of this.reasons) if (owner === worker) this.clear(code, worker)
  }

  #announce(): void {
    const reasons = this.reasons
    const status = healthStatus(reasons)
    if (status === this.#status) return
    this.#status = status
    this.#events.emit('health-changed', { status, reasons })
  }
}

function keyOf(code: HealthCode, worker: string | undefined): string {
  return `${code} ${worker ?? ''}`
}
