import { expect, it, vi } from 'vitest'
import type { RedisClient } from './redis-client.ts'
import { RedisClock } from './redis-clock.ts'

const at = (ms: number) => [Math.floor(ms / 1_000), (ms % 1_000) * 1_000] as const

it('never goes back for a measurement that differs a little, and does for a clock that was set', () => {
  const clock = new RedisClock()
  const base = Date.UTC(2026, 0, 1)
  clock.note(at(base), clock.asking())
  const before = clock.now()
  clock.note(at(base - 400), clock.asking())
  expect(clock.now()).toBe(before)
  clock.note(at(base - 3_600_000), clock.asking())
  expect(clock.now()).toBeLessThan(base - 3_500_000)
})

it.each([
  ['told at once, and read late', 0],
  ['told late', 4_000],
])('is not led astray by a time that was %s', (_how, toldAfterMs) => {
  const clock = new RedisClock()
  const base = Date.UTC(2026, 0, 1)
  const startedAt = performance.now()
  clock.note(at(base), clock.asking())
  // The answer to this one took 4 s, as when the machine stood still.
  const asked = clock.asking()
  clock.note(at(base - 4_000 + toldAfterMs), { ...asked, at: asked.at - 4_000 })
  expect(clock.now() - base).toBeLessThan(1_000 + performance.now() - startedAt)
  expect(clock.now() - base).toBeGreaterThan(-1_000)
})

it.each([
  ['is not measured again while the clocks of this machine agree', 50, 0],
  ['is measured again once when this machine was suspended', 600, 1],
  ['is measured again once when the clock of this machine was set back', -3_600_000, 1],
])('%s', async (_title, jumpMs, measurements) => {
  const clock = new RedisClock()
  let count = 0
  const client = { time: async () => at(Date.UTC(2026, 0, 1) + count++) } as unknown as RedisClient
  await clock.measure(client)
  const realNow = Date.now
  using _ = vi.spyOn(Date, 'now').mockImplementation(() => realNow() + jumpMs)
  await clock.measureIfDoubtful(client)
  await clock.measureIfDoubtful(client)
  expect(count).toBe(1 + measurements)
})

it('is measured again when this machine was suspended while the answer was on its way', async () => {
  const clock = new RedisClock()
  const base = Date.UTC(2026, 0, 1)
  const answers = [base, base + 3_600_000]
  const realNow = Date.now
  using wallClock = vi.spyOn(Date, 'now')
  const client = {
    time: async () => {
      const answer = at(answers.shift() ?? 0)
      wallClock.mockImplementation(() => realNow() + 3_600_000)
      return answer
    },
  } as unknown as RedisClient
  await clock.measure(client)
  expect(answers).toEqual([])
  expect(clock.now()).toBeGreaterThanOrEqual(base + 3_600_000)
})

it.each([
  ['adds what this machine was suspended since it was measured', 3_600_000, 3_600_000],
  ['adds nothing when the clock of this machine was set back', -3_600_000, 0],
])('%s, for what can not measure first', (_title, jumpMs, addedMs) => {
  const clock = new RedisClock()
  clock.note(at(Date.UTC(2026, 0, 1)), clock.asking())
  const realNow = Date.now
  using _ = vi.spyOn(Date, 'now').mockImplementation(() => realNow() + jumpMs)
  const before = clock.now()
  const now = clock.nowAfterSleep()
  expect(now).toBeGreaterThan(before + addedMs - 500)
  expect(now).toBeLessThanOrEqual(clock.now() + addedMs + 500)
  clock.note(at(Date.UTC(2026, 0, 2)), clock.asking())
  expect(clock.nowAfterSleep()).toBeLessThanOrEqual(clock.now())
})
