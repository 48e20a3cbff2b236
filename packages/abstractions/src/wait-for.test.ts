import { describe, expect, it } from 'vitest'
import { ManualClock } from './testing/manual-clock.ts'
import { waitFor } from './wait-for.ts'

describe('waitFor', () => {
  it.each([
    ['resolves', async () => 1],
    ['rejects', () => Promise.reject(new Error('x'))],
  ])('says true for a promise that %s', async (_how, work) => {
    const clock = new ManualClock()
    expect(await waitFor(work(), 100, clock)).toBe(true)
    expect(clock.timerCount).toBe(0)
  })

  it('says false after the time', async () => {
    const clock = new ManualClock()
    const result = waitFor(new Promise(() => {}), 100, clock)
    await clock.advance(100)
    expect(await result).toBe(false)
  })
})
