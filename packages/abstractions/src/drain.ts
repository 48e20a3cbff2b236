import { type Clock, setLongTimer } from './clock.ts'
import type { AbandonedWork } from './manager.ts'

/** Something that a stop waits for: a run, or a worker's own `stop`. */
export interface StoppingWork {
  readonly worker: string
  /** Given for a run. */
  readonly runId?: string
  /** Never rejects. */
  readonly done: Promise<unknown>
  /** Called once when the deadline has passed. */
  abort(): void
}

/** How long aborted work may take to end before a stop gives up on it. */
export const ABORT_GRACE_MS = 1_000

/** Waits for all work until the deadline, aborts what is left, waits 1 s more and says what did not end. */
export async function drain(work: readonly StoppingWork[], timeoutMs: number, clock: Clock): Promise<AbandonedWork[]> {
  const pending = new Set(work)
  const all = Promise.all(
    work.map(async (item) => {
      await item.done
      pending.delete(item)
    }),
  )
  await waitFor(all, timeoutMs, clock)
  if (pending.size > 0) {
    for (const item of [...pending]) item.abort()
    await waitFor(all, ABORT_GRACE_MS, clock)
  }
  return abandonedOf([...pending])
}

/** Waits until `promise` settles, at most `ms`. Gives whether it has settled. */
export async function waitFor(promise: Promise<unknown>, ms: number, clock: Clock): Promise<boolean> {
  let clear = () => {}
  const timedOut = new Promise<boolean>((resolve) => {
    clear = setLongTimer(clock, () => resolve(false), ms)
  })
  const settled = promise.then(
    () => true,
    () => true,
  )
  const isSettled = await Promise.race([settled, timedOut])
  clear()
  return isSettled
}

/** A worker whose run was given up on is named once, with that run. */
function abandonedOf(pending: readonly StoppingWork[]): AbandonedWork[] {
  const withRun = new Set(pending.filter(({ runId }) => runId !== undefined).map(({ worker }) => worker))
  return pending
    .filter(({ worker, runId }) => runId !== undefined || !withRun.has(worker))
    .map(({ worker, runId }) => (runId === undefined ? { worker } : { worker, runId }))
}
