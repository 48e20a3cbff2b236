import type { FetchedJob } from './hand-back.ts'

/** How long a run's lock holds without being renewed, in ms. */
export const LEASE_MS = 20_000

/** How soon a lease that has run out is noticed, in ms: before somebody else, who looks twice for it, starts another run. */
const CHECK_MS = 1_000

/** A lease as it was renewed last. */
interface Lease {
  readonly token: string | undefined
  renewedAt: number
}

/**
 * The leases of the runs here; of a run that has come back here only the later one is held. While Redis can not be reached no renewal
 * fails, yet a lease runs out: that is noticed here.
 */
export class Leases {
  readonly #leases = new Map<string, Lease>()
  readonly #runOut: (runIds: readonly string[]) => void
  #timer: NodeJS.Timeout | undefined

  constructor(runOut: (runIds: readonly string[]) => void) {
    this.#runOut = runOut
  }

  /** From now on leases that have run out are told. */
  watch(): void {
    this.#timer = setInterval(() => this.#check(), CHECK_MS)
  }

  close(): void {
    clearInterval(this.#timer)
  }

  /** The job of a run was fetched, and its lock with it. */
  add({ job, token }: FetchedJob): void {
    this.#leases.set(job.id ?? '', { token, renewedAt: performance.now() })
  }

  renewed(runIds: readonly string[]): void {
    for (const runId of runIds) {
      const lease = this.#leases.get(runId)
      if (lease) lease.renewedAt = performance.now()
    }
  }

  /** Whether nobody else can have taken the run over. */
  isHeld({ job, token }: FetchedJob): boolean {
    const lease = this.#leases.get(job.id ?? '')
    return lease !== undefined && lease.token === token && !hasRunOut(lease)
  }

  /** Its job is done. */
  remove({ job, token }: FetchedJob): void {
    if (this.#leases.get(job.id ?? '')?.token === token) this.#leases.delete(job.id ?? '')
  }

  #check(): void {
    this.#runOut([...this.#leases].filter(([, lease]) => hasRunOut(lease)).map(([runId]) => runId))
  }
}

function hasRunOut({ renewedAt }: Lease): boolean {
  return performance.now() - renewedAt > LEASE_MS
}
