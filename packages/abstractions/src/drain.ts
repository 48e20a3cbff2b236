import type { Clock } from './clock.ts'
import type { AbandonedWork } from './manager.ts'
import { waitFor } from './wait-for.ts'

/** Something that a stop waits for: a run, or a worker's own `stop`. */
export interface StoppingWork {
  readonly worker: string
  /** Given for a run. */
  readonly runId?: string
  /** Never rejects. */
  readonly done: Promise<unknown>
  /** Whether it has ended, though it is still waited for: then it was not given up on. */
  readonly hasEnded?: () => boolean
  /** Called once when the deadline has passed. */
  abort(): void
}

/** How long aborted work may take to end before a stop gives up on it. */
export const ABORT_GRACE_MS = 1_000

/**
 * Waits for all work until the deadline, aborts what is left, waits 1 s more and says what did not end.
 * `deadlinePassed` is called before the first abort.
 */
export async function drain(
  work: readonly StoppingWork[],
  timeoutMs: number,
  clock: Clock,
  deadlinePassed: () => void = () => {},
): Promise<AbandonedWork[]> {
  const pending = new Set(work)
  const all = Promise.all(
    work.map(async (item) => {
      await item.done
      pending.delete(item)
    }),
  )
  await waitFor(all, timeoutMs, clock)
  if (pending.size > 0) {
    deadlinePassed()
    for (const item of [...pending]) item.abort()
    await waitFor(all, ABORT_GRACE_MS, clock)
  }
  return abandonedOf([...pending].filter((item) => !item.hasEnded?.()))
}

/** A worker whose run was given up on is named once, with that run. */
function abandonedOf(pending: readonly StoppingWork[]): AbandonedWork[] {
  const withRun = new Set(pending.filter(({ runId }) => runId !== undefined).map(({ worker }) => worker))
  return pending
    .filter(({ worker, runId }) => runId !== undefined || !withRun.has(worker))
    .map(({ worker, runId }) => (runId === undefined ? { worker } : { worker, runId }))
}
