import { afterEach, describe, expect, it, vi } from 'vitest'
import { MAX_TIMER_MS, setLongTimer, systemClock } from './clock.ts'
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
