import type { EventHub } from './event-hub.ts'
import { type HealthCode, type HealthReason, type HealthStatus, failingReason, healthStatus } from './health.ts'

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
    if (!isNew) return false
    this.#events.emit('health-reason-added', reason)
    this.#announce()
    return true
  }

  /** Gives `false` when there was no such reason. */
  clear(code: HealthCode, worker?: string): boolean {
    if (this.#reasons.size === 0 || !this.#reasons.delete(keyOf(code, worker))) return false
    this.#events.emit('health-reason-cleared', { ...(worker !== undefined && { worker }), code })
    this.#announce()
    return true
  }

  /** Takes up that a worker's last runs failed, or no longer do. */
  noteFailures(worker: string, consecutiveFailures: number): void {
    const reason = failingReason(worker, consecutiveFailures)
    if (reason) this.add(reason)
    else this.clear('failing', worker)
  }

  /** Forgets all reasons of these kinds. */
  clearAll(codes: ReadonlySet<HealthCode>): void {
    for (const { code, worker } of this.reasons) if (codes.has(code)) this.clear(code, worker)
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
