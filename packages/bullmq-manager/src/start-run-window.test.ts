import { cron, every } from '@background-workers/abstractions'
import { expect, it } from 'vitest'
import { startRunWindowMs } from './start-run-window.ts'

const NOW = Date.UTC(2026, 0, 1)

it.each([
  [every('2s'), 2_000],
  [every('1d'), 600_000],
  [cron('*/3 * * * * *'), 3_000],
  [cron('0 3 * * *'), 600_000],
])('is the period of %o, at most 10 min', (schedule, windowMs) => {
  expect(startRunWindowMs(schedule, 'digest', NOW)).toBe(windowMs)
})
