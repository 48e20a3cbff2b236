import type { Run } from '@background-workers/abstractions/for-managers'
import type { FetchedJob } from './hand-back.ts'
import type { RunClaim } from './store.ts'

/** A run of this instance, from its decision until its job is done. */
export interface ActiveRun extends FetchedJob {
  readonly run: Run
  readonly claim: RunClaim
  readonly settled: PromiseWithResolvers<void>
  /** Resolves when its job is done; made for who waits for that. */
  jobDone: PromiseWithResolvers<void> | undefined
  /** The outcome is written when this resolves. */
  written: Promise<void> | undefined
  /** A stop for which it waits itself has ended it. */
  endedByOwnStop: boolean
}

/**
 * The active runs of this instance, by their ids.
 *
 * A map that lives long makes its next table, every few dozen runs, among the old objects, and what its former tables hold is old
 * from then on too. So it holds only places that are emptied: else each run and its job wait for a full garbage collection, which
 * takes node 4 % more time for a run.
 */
export class ActiveRuns {
  readonly #places = new Map<string, { active: ActiveRun | undefined }>()

  add(active: ActiveRun): void {
    this.#places.set(active.run.plan.runId, { active })
  }

  get(runId: string): ActiveRun | undefined {
    return this.#places.get(runId)?.active
  }

  delete({ run }: ActiveRun): void {
    const { runId } = run.plan
    const place = this.#places.get(runId)
    if (place) place.active = undefined
    this.#places.delete(runId)
  }

  *[Symbol.iterator](): Generator<ActiveRun> {
    for (const { active } of this.#places.values()) if (active) yield active
  }
}
