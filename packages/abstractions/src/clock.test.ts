import { afterEach, describe, expect, it, vi } from 'vitest'
import { MAX_TIMER_MS, MAX_WAIT_MS, setLongTimer, setWallTimer, systemClock } from './clock.ts'
import { ManualClock } from './testing/manual-clock.ts'

const DAY_MS = 86_400_000

describe('setLongTimer', () => {
  it.each([1, 1_000, MAX_TIMER_MS, MAX_TIMER_MS + 1, 30 * DAY_MS, 300 * DAY_MS])(
    'fires once after %d ms',
    async (delayMs) => {
      const clock = new ManualClock()
      let fired = 0
      setLongTimer(clock, () => fired++, delayMs)
      await clock.advance(delayMs - 1)
      expect(fired).toBe(0)
      await clock.advance(1)
      expect(fired).toBe(1)
      await clock.advance(delayMs)
      expect(fired).toBe(1)
      expect(clock.timerCount).toBe(0)
    },
  )

  it.each([0, -5, Number.NaN])('fires soon after %d ms', async (delayMs) => {
    const clock = new ManualClock()
    let fired = 0
    setLongTimer(clock, () => fired++, delayMs)
    expect(fired).toBe(0)
    await clock.advance(1)
    expect(fired).toBe(1)
  })

  it('is taken back at any time, also after it was armed again', async () => {
    const clock = new ManualClock()
    let fired = 0
    const clear = setLongTimer(clock, () => fired++, 60 * DAY_MS)
    await clock.advance(40 * DAY_MS)
    expect(clock.timerCount).toBe(1)
    clear()
    expect(clock.timerCount).toBe(0)
    await clock.advance(40 * DAY_MS)
    expect(fired).toBe(0)
    clear()
  })

  it('waits for the rest when a timer fires early', () => {
    let nowMs = 0
    const timers: { callback: () => void; delayMs: number }[] = []
    let fired = 0
    const clock = {
      now: () => 0,
      monotonicNow: () => nowMs,
      setTimer: (callback: () => void, delayMs: number) => timers.push({ callback, delayMs }),
      clearTimer() {},
    }
    setLongTimer(clock, () => fired++, 100)
    nowMs = 99.2
    timers[0]?.callback()
    expect(fired).toBe(0)
    expect(timers[1]?.delayMs).toBe(1)
    nowMs = 100.3
    timers[1]?.callback()
    expect(fired).toBe(1)
  })

  it('does not see steps of the wall clock', async () => {
    const clock = new ManualClock()
    let fired = 0
    setLongTimer(clock, () => fired++, 1_000)
    clock.step(30 * DAY_MS)
    await clock.advance(999)
    expect(fired).toBe(0)
    clock.step(-60 * DAY_MS)
    await clock.advance(1)
    expect(fired).toBe(1)
  })
})

describe('setWallTimer', () => {
  function setTimerIn(delayMs: number) {
    const clock = new ManualClock()
    const fired: number[] = []
    const at = clock.now() + delayMs
    const timer = setWallTimer(clock, () => void fired.push(clock.now() - at), at)
    return { clock, fired, timer }
  }

  it.each([1, 1_000, MAX_WAIT_MS, MAX_WAIT_MS + 1, DAY_MS])('fires once in %d ms', async (delayMs) => {
    const { clock, fired } = setTimerIn(delayMs)
    await clock.advance(delayMs - 1)
    expect(fired).toEqual([])
    await clock.advance(delayMs)
    expect(fired).toEqual([0])
    expect(clock.timerCount).toBe(0)
  })

  it('fires soon, and not at once, where the time has passed', async () => {
    const { clock, fired } = setTimerIn(-DAY_MS)
    expect(fired).toEqual([])
    await clock.advance(1)
    expect(fired).toEqual([DAY_MS + 1])
  })

  it('fires within a minute after a sleep or a step over its time', async () => {
    const { clock, fired } = setTimerIn(DAY_MS)
    await clock.advance(1_000)
    clock.sleep(2 * DAY_MS)
    await clock.advance(MAX_WAIT_MS)
    expect(fired).toHaveLength(1)
  })

  it('fires at its time after a shorter sleep', async () => {
    const { clock, fired } = setTimerIn(DAY_MS)
    clock.sleep(DAY_MS / 2)
    await clock.advance(DAY_MS)
    expect(fired).toEqual([0])
  })

  it('fires no later by monotonic time when the clock is set back', async () => {
    const { clock, fired } = setTimerIn(DAY_MS)
    clock.step(-30 * DAY_MS)
    await clock.advance(DAY_MS - 1)
    expect(fired).toEqual([])
    await clock.advance(1)
    expect(fired).toEqual([-30 * DAY_MS])
  })

  it('fires when somebody looks and it is time', async () => {
    const { clock, fired, timer } = setTimerIn(DAY_MS)
    timer.look()
    expect([fired, clock.timerCount]).toEqual([[], 1])
    clock.sleep(DAY_MS)
    timer.look()
    expect([fired, clock.timerCount]).toEqual([[0], 0])
  })

  it('is taken back at any time, also after it was armed again', async () => {
    const { clock, fired, timer } = setTimerIn(DAY_MS)
    await clock.advance(10 * MAX_WAIT_MS)
    timer.clear()
    expect(clock.timerCount).toBe(0)
    await clock.advance(2 * DAY_MS)
    expect(fired).toEqual([])
  })
})

describe('systemClock', () => {
  afterEach(() => void vi.useRealTimers())

  it('looks timers and dates up at each call, so fake ones work', () => {
    vi.useFakeTimers({ now: 1_000_000 })
    let fired = 0
    const taken = systemClock.setTimer(() => fired++, 10)
    systemClock.setTimer(() => fired++, 20)
    systemClock.clearTimer(taken)
    expect(systemClock.now()).toBe(1_000_000)
    const before = systemClock.monotonicNow()
    vi.advanceTimersByTime(20)
    expect(fired).toBe(1)
    expect(systemClock.now()).toBe(1_000_020)
    expect(systemClock.monotonicNow() - before).toBe(20)
  })

  it('ignores a timer that has fired', () => {
    vi.useFakeTimers()
    const handle = systemClock.setTimer(() => {}, 1)
    vi.advanceTimersByTime(1)
    expect(() => systemClock.clearTimer(handle)).not.toThrow()
  })
})
