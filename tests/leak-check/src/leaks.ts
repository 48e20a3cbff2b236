/** What keeps a process alive or changes how it behaves: handles and timers by kind, and listeners of the process by event. */
export type Holdings = Readonly<Record<string, number>>

// `message` and `disconnect` are left out: through them the runner talks to its workers.
const EVENTS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'uncaughtException', 'unhandledRejection', 'exit', 'beforeExit'] as const

/** Counts what the process holds at this moment. Timers that were `unref`ed are not in it: they hold nothing up. */
export function currentHoldings(): Holdings {
  const counts: Record<string, number> = {}
  for (const kind of process.getActiveResourcesInfo()) counts[kind] = (counts[kind] ?? 0) + 1
  for (const event of EVENTS) counts[`${event} listener`] = process.listenerCount(event)
  return counts
}

/** What there is more of than before, in words: `2 Timeout`. */
export function findLeaks(before: Holdings, after: Holdings): string[] {
  return Object.entries(after).flatMap(([kind, count]) => {
    const more = count - (before[kind] ?? 0)
    return more > 0 ? [`${more} ${kind}`] : []
  })
}

/** Looks until nothing is left or the patience is over: a socket or a child process takes some turns to close. */
export async function waitForNoLeaks(before: Holdings, patienceMs: number): Promise<string[]> {
  const endsAt = performance.now() + patienceMs
  for (let looks = 1; ; looks++) {
    const leaks = findLeaks(before, currentHoldings())
    // A process that has stood still for all the time has given nothing the turns to close.
    if (leaks.length === 0 || (performance.now() >= endsAt && looks >= LEAST_LOOKS)) return leaks
    await new Promise((resolve) => realSetTimeout(resolve, 10))
  }
}

const LEAST_LOOKS = 100

// Kept from the start: fake timers that a test left on must not hold the check up.
const realSetTimeout = globalThis.setTimeout
