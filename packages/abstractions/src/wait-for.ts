import { type Clock, setLongTimer, systemClock } from './clock.ts'

// From before a test has faked it: a stop waits for it.
const { setImmediate } = globalThis

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

/**
 * Waits for an answer from outside this process, at most `ms`. Gives whether it has come: an event loop that was blocked fires its timers
 * before it reads what has arrived, which counts.
 */
export async function waitForAnswer(answer: Promise<unknown>, ms: number): Promise<boolean> {
  if (await waitFor(answer, ms, systemClock)) return true
  const hasArrived = answer.then(() => true).catch(() => true)
  const isRead = new Promise<boolean>((resolve) => setImmediate(resolve, false))
  return Promise.race([hasArrived, isRead])
}
