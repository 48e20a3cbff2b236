import type { EventHub } from './event-hub.ts'
import { type HealthCode, type HealthReason, type HealthStatus, failingReason, isGrave } from './health.ts'

/** Keeps what is wrong at present and says when the health as a whole changes. */
export class HealthMonitor {
  readonly #events: EventHub
  /** By worker; those of the manager itself have none. */
  readonly #reasons = new Map<string | undefined, Map<HealthCode, HealthReason>>()
  /** How many of them are grave: counted, so that a change costs the same however many workers have a reason. */
  #graveReasons = 0
  #status: HealthStatus = 'ok'

  constructor(events: EventHub) {
    this.#events = events
  }

  get reasons(): readonly HealthReason[] {
    return [...this.#reasons.values()].flatMap((reasons) => [...reasons.values()])
  }

  has(code: HealthCode, worker?: string): boolean {
    return this.#reasons.get(worker)?.has(code) === true
  }

  /** Whether nothing is wrong with a worker. */
  isFine(worker: string): boolean {
    return this.#reasons.size === 0 || !this.#reasons.has(worker)
  }

  /** Gives `false` when that was known. */
  add(reason: HealthReason): boolean {
    const { worker, code } = reason
    const isNew = !this.has(code, worker)
    const reasons = this.#reasons.get(worker) ?? new Map<HealthCode, HealthReason>()
    this.#reasons.set(worker, reasons.set(code, reason))
    if (!isNew) return false
    if (isGrave(code)) this.#graveReasons++
    this.#events.emit('health-reason-added', reason)
    this.#announce()
    return true
  }

  /** Gives `false` when there was no such reason. */
  clear(code: HealthCode, worker?: string): boolean {
    // Asked twice for each run: nearly always there is nothing to look up.
    if (this.#reasons.size === 0) return false
    const reasons = this.#reasons.get(worker)
    if (!reasons?.delete(code)) return false
    if (reasons.size === 0) this.#reasons.delete(worker)
    if (isGrave(code)) this.#graveReasons--
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

  /** Forgets a worker that was removed. Its run that is stuck is so until it ends: it blocks whoever is added under this name. */
  clearWorker(worker: string): void {
    for (const code of [...(this.#reasons.get(worker)?.keys() ?? [])]) if (code !== 'stuck') this.clear(code, worker)
  }

  #announce(): void {
    const status = this.#graveReasons > 0 ? 'unhealthy' : this.#reasons.size > 0 ? 'degraded' : 'ok'
    if (status === this.#status) return
    this.#status = status
    this.#events.emit('health-changed', { status, reasons: this.reasons })
  }
}
