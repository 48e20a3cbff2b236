import { cron, every } from '@background-workers/abstractions'
import { describe, expect, it } from 'vitest'
import { scheduleText } from './schedule-text.ts'

describe('scheduleText', () => {
  it.each([
    ['10m', 'every 10 minutes', '10m'],
    ['60s', 'every minute', '1m'],
    ['90s', 'every 90 seconds', '90s'],
    ['1d', 'every day', '1d'],
    ['1500ms', 'every 1,500 milliseconds', '1500ms'],
  ])('says of every %s: %s', (period, words, raw) => {
    expect(scheduleText(every(period))).toEqual({ words, raw })
  })

  it('shows an offset', () => {
    expect(scheduleText(every('1h', { offset: '5m' })).raw).toBe('1h offset 5m')
  })

  it.each([
    ['*/5 * * * *', 'every 5 minutes'],
    ['0 3 * * *', 'every day at 03:00'],
    ['30 2 * * 1-5', 'at 02:30, Monday through Friday'],
    ['0 9 * * MON', 'at 09:00, only on Monday'],
    ['0 0 * * 7', 'at 00:00, only on Sunday'],
    ['*/10 * * * * *', 'every 10 seconds'],
    ['15 30 6 * * *', 'every day at 06:30:15'],
    ['0 2 L * *', 'at 02:00, on the last day of the month'],
    ['0 0 15W * *', 'at 00:00, on the weekday nearest day 15 of the month'],
    ['0 0 * * 5#2', 'at 00:00, on the second Friday of the month'],
    ['0 0 * * 5L', 'at 00:00, on the last Friday of the month'],
    // Either of the two, as cron has it.
    ['0 0 13 * 5', 'at 00:00, on day 13 of the month, and on Friday'],
    ['@daily', 'every day at 00:00'],
    ['@hourly', 'every hour'],
    ['@weekly', 'at 00:00, only on Sunday'],
    ['@yearly', 'at 00:00, on day 1 of the month, only in January'],
  ])('says of the cron %s: %s', (expression, words) => {
    expect(scheduleText(cron(expression, { timeZone: 'Europe/Berlin' }))).toEqual({
      words,
      raw: expression,
      timeZone: 'Europe/Berlin',
    })
  })

  it('falls back to the expression where there are no words', () => {
    const schedule = { kind: 'cron', expression: 'who knows', timeZone: 'UTC' } as const
    expect(scheduleText(schedule).words).toBe('who knows')
  })
})
