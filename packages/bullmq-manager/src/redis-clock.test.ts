import { expect, it } from 'vitest'
import { RedisClock } from './redis-clock.ts'

const at = (ms: number) => [Math.floor(ms / 1_000), (ms % 1_000) * 1_000] as const

it('never goes back for a measurement that differs a little, and does for a clock that was set', () => {
  const clock = new RedisClock()
  const base = Date.UTC(2026, 0, 1)
  clock.note(at(base), performance.now())
  const before = clock.now()
  clock.note(at(base - 400), performance.now())
  expect(clock.now()).toBe(before)
  clock.note(at(base - 3_600_000), performance.now())
  expect(clock.now()).toBeLessThan(base - 3_500_000)
})
