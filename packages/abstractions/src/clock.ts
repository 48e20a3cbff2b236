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

/** The longest timer of what waits for a wall time, in ms: a step or a sleep is noticed within this time. */
export const MAX_WAIT_MS = 60_000

/** Calls `callback` once after `delayMs` of monotonic time, however long that is. Returns how to take it back. */
export function setLongTimer(clock: Clock, callback: () => void, delayMs: number): () => void {
  const endsAt = clock.monotonicNow() + delayMs
  return waitInPieces(clock, callback, MAX_TIMER_MS, () => endsAt - clock.monotonicNow()).clear
}

/** A wait for a wall time. Not to be used any more once its callback was called. */
export interface WallTimer {
  /** Looks at the clock now, and calls back if it is time: after a step or a sleep it may not have noticed yet. */
  readonly look: () => void
  /** Takes it back. */
  readonly clear: () => void
}

/**
 * Calls `callback` once, never before this returns, when the wall clock says `at` (ms since the epoch). A clock that is set
 * ahead, or a machine that sleeps over it, is noticed within a minute; one that is set back makes the wait no longer.
 */
export function setWallTimer(clock: Clock, callback: () => void, at: number): WallTimer {
  const endsAt = clock.monotonicNow() + at - clock.now()
  const remainingMs = () => Math.min(at - clock.now(), endsAt - clock.monotonicNow())
  return waitInPieces(clock, callback, MAX_WAIT_MS, remainingMs)
}

/** A timer may also fire a little early; the rest is waited for. */
function waitInPieces(clock: Clock, callback: () => void, pieceMs: number, remainingMs: () => number): WallTimer {
  let handle: TimerHandle
  const clear = () => clock.clearTimer(handle)
  const arm = (ms: number) => {
    handle = clock.setTimer(look, Math.min(Math.max(1, ms), pieceMs))
  }
  const look = () => {
    clear()
    const ms = remainingMs()
    if (ms > 0) arm(ms)
    else callback()
  }
  arm(remainingMs())
  return { look, clear }
}
