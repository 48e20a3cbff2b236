import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { durationText, relativeText, utcText, zonedText } from './time-text.ts'

describe('durationText', () => {
  it.each([
    [0, '0 ms'],
    [340.4, '340 ms'],
    [1_000, '1 s'],
    [1_234, '1.2 s'],
    [9_960, '10 s'],
    [59_000, '59 s'],
    [60_000, '1 min'],
    [185_000, '3 min 5 s'],
    [7_800_000, '2 h 10 min'],
    [90_000_000, '1 d 1 h'],
    [864_000_000, '10 d'],
  ])('says of %d ms: %s', (ms, text) => {
    expect(durationText(ms)).toBe(text)
  })
})

describe('relativeText', () => {
  it.each([
    [0, 'now'],
    [499, 'now'],
    [500, 'in 1 s'],
    [-12_000, '12 s ago'],
    [119_000, 'in 119 s'],
    [120_000, 'in 2 min'],
    [-7_200_000, '2 h ago'],
    [172_800_000, 'in 2 d'],
  ])('says of %d ms from now: %s', (ms, text) => {
    expect(relativeText(1e12 + ms, 1e12)).toBe(text)
  })

  it('uses nothing from outside it, because pages carry it', () => {
    const copy = runInNewContext(`(${relativeText.toString()})`) as typeof relativeText
    expect(copy(5_000, 0)).toBe('in 5 s')
  })
})

describe('zonedText', () => {
  it('gives the offset of that time, on both sides of a change of the clocks', () => {
    const change = Date.UTC(2026, 2, 29, 1)
    expect(zonedText(change - 1_000, 'Europe/Berlin')).toEqual({ time: 'Sun 2026-03-29 01:59:59', offset: '+01:00' })
    expect(zonedText(change, 'Europe/Berlin')).toEqual({ time: 'Sun 2026-03-29 03:00:00', offset: '+02:00' })
  })

  it('knows UTC, half hours, and offsets below zero', () => {
    expect(zonedText(0, 'UTC')).toEqual({ time: 'Thu 1970-01-01 00:00:00', offset: '+00:00' })
    expect(zonedText(Date.UTC(2026, 0, 1), 'Asia/Kolkata').offset).toBe('+05:30')
    expect(zonedText(Date.UTC(2026, 0, 1), 'America/New_York').offset).toBe('-05:00')
  })
})

it('utcText is exact to the second', () => {
  expect(utcText(new Date(1_500))).toBe('1970-01-01 00:00:01 UTC')
})
