import { type Clock, setLongTimer } from './clock.ts'

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
