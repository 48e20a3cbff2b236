/** What a manager knows of time. Replace it in tests (`ManualClock`); the default is the system's. */
export interface Clock {
  /** Wall time in ms since the epoch. It may step, forward and back. */
  now(): number
  /** A time in ms that never steps; only differences mean something. */
  monotonicNow(): number
  /** Calls `callback` once after `delayMs` (at most 2^31-1, about 24.8 days). */
  setTimer(callback: () => void, delayMs: number): TimerHandle
  /** Takes a timer back; one that has fired or was taken back before is ignored. */
  clearTimer(handle: TimerHandle): void
}

/** What `setTimer` returns; only its clock knows what is in it. */
export type TimerHandle = object | number

/** The system's clock. Timers and `Date` are looked up at each call, so that fake timers of a test framework work. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicNow: () => performance.now(),
  setTimer: (callback, delayMs) => globalThis.setTimeout(callback, delayMs),
  clearTimer: (handle) => globalThis.clearTimeout(handle as NodeJS.Timeout),
}

/** Node fires a longer timer at once. */
export const MAX_TIMER_MS = 2 ** 31 - 1

/** Calls `callback` once after `delayMs` however long that is. Returns how to take it back. */
export function setLongTimer(clock: Clock, callback: () => void, delayMs: number): () => void {
  const endsAt = clock.monotonicNow() + delayMs
  let handle: TimerHandle
  const arm = () => {
    const remainingMs = endsAt - clock.monotonicNow()
    // A timer may fire a little early; the rest is waited for.
    handle = clock.setTimer(
      () => (endsAt > clock.monotonicNow() ? arm() : callback()),
      Math.min(Math.max(1, remainingMs), MAX_TIMER_MS),
    )
  }
  arm()
  return () => clock.clearTimer(handle)
}
