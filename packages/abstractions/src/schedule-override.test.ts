import { expect, it } from 'vitest'
import { InvalidScheduleError } from './errors.ts'
import { checkNewSchedule, scheduleOverride } from './schedule-override.ts'
import { every } from './schedule.ts'

it('keeps a new schedule with who set it and when, and nothing where the override is dropped', () => {
  const schedule = checkNewSchedule('w', every(1_000), 1_000)
  expect(scheduleOverride(schedule, { by: 'ann' }, 5)).toEqual({ schedule, by: 'ann', since: new Date(5) })
  expect(checkNewSchedule('w', undefined, 1_000)).toBeUndefined()
  expect(scheduleOverride(undefined, { by: 'ann' }, 5)).toBeUndefined()
})

it('refuses a schedule that the worker could not have been added with, and names the worker', () => {
  for (const bad of [every(999), null, 'every minute']) {
    expect(() => checkNewSchedule('w', bad, 1_000)).toThrow(InvalidScheduleError)
    expect(() => checkNewSchedule('w', bad, 1_000)).toThrow('Worker "w"')
  }
})
