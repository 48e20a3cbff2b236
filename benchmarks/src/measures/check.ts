import { setTimeout as sleep } from 'node:timers/promises'

/** @throws so that the sample does not count */
export function check(isTrue: boolean, what: string): void {
  if (!isTrue) throw new IncorrectError(what)
}

/** Waits for a fact. @throws so that the sample does not count when it has not come true within `ms` */
export async function until(what: string, isTrue: () => boolean, ms: number): Promise<void> {
  const endsAt = performance.now() + ms
  while (!isTrue()) {
    check(performance.now() < endsAt, `within ${ms} ms it did not come true that ${what}`)
    await sleep(5)
  }
}

/** What was to happen did not. */
class IncorrectError extends Error {
  override readonly name = 'incorrect'
}
