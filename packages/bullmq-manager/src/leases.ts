/** How long a run's lock holds without being renewed, in ms. */
export const LEASE_MS = 20_000

/** The leases of the runs here. While Redis can not be reached no renewal fails, yet a lease runs out: that is noticed here. */
export class Leases {
  readonly #renewedAt = new Map<string, number>()
  readonly #runOut: (runIds: readonly string[]) => void
  #timer: NodeJS.Timeout | undefined

  constructor(runOut: (runIds: readonly string[]) => void) {
    this.#runOut = runOut
  }

  /** From now on leases that have run out are told. */
  watch(): void {
    this.#timer = setInterval(() => this.#check(), LEASE_MS / 4)
  }

  close(): void {
    clearInterval(this.#timer)
  }

  /** The job of a run was fetched, and its lock with it. */
  add(runId: string): void {
    this.#renewedAt.set(runId, performance.now())
  }

  renewed(runIds: readonly string[]): void {
    for (const runId of runIds) if (this.#renewedAt.has(runId)) this.add(runId)
  }

  /** Whether nobody else can have taken the run over. */
  isHeld(runId: string): boolean {
    const renewedAt = this.#renewedAt.get(runId)
    return renewedAt !== undefined && !hasRunOut(renewedAt)
  }

  /** Its job is done. */
  remove(runId: string): void {
    this.#renewedAt.delete(runId)
  }

  #check(): void {
    this.#runOut([...this.#renewedAt].filter(([, renewedAt]) => hasRunOut(renewedAt)).map(([runId]) => runId))
  }
}

function hasRunOut(renewedAt: number): boolean {
  return performance.now() - renewedAt > LEASE_MS
}
