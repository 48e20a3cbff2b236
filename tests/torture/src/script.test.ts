import { describe, expect, it } from 'vitest'
import { costOf, printScript, QUIET_MS, writeScript } from './script.ts'

const seeds = Array.from({ length: 100 }, (_, index) => index + 1)

describe('writeScript', () => {
  it('writes the same script for the same seed, and another one for another', () => {
    const script = writeScript({ seed: 7, minutes: 10, seats: 3 })
    expect(writeScript({ seed: 7, minutes: 10, seats: 3 })).toEqual(script)
    expect(writeScript({ seed: 8, minutes: 10, seats: 3 }).faults).not.toEqual(script.faults)
  })

  it('puts at least 60 faults of at least 10 kinds into 10 minutes', () => {
    for (const seed of seeds) {
      const { faults } = writeScript({ seed, minutes: 10, seats: 3 })
      expect(faults.length, `seed ${seed}`).toBeGreaterThanOrEqual(60)
      expect(new Set(faults.map(({ kind }) => kind)).size, `seed ${seed}`).toBeGreaterThanOrEqual(10)
    }
  })

  it('leaves nothing to wait for after the last fault, and a quiet end', () => {
    for (const seed of seeds) {
      const { faults, durationMs } = writeScript({ seed, minutes: 3, seats: 3 })
      for (const fault of faults) {
        expect(fault.atMs + fault.forMs + costOf(fault), `seed ${seed}`).toBeLessThanOrEqual(durationMs - QUIET_MS)
      }
    }
  })

  it('leaves everything alone for 20 s after each 80 s of faults', () => {
    for (const seed of seeds) {
      const { faults } = writeScript({ seed, minutes: 10, seats: 3 })
      const inLulls = faults.filter(({ atMs, forMs }) => atMs % 100_000 >= 80_000 || (atMs + forMs) % 100_000 > 80_000)
      expect(inLulls, `seed ${seed}`).toEqual([])
    }
  })

  it('breaks a process in one way at a time', () => {
    for (const seed of seeds) {
      const { faults } = writeScript({ seed, minutes: 10, seats: 3 })
      for (const [index, fault] of faults.entries()) {
        const meanwhile = faults.slice(index + 1).filter((later) => later.atMs < fault.atMs + fault.forMs)
        const broken = meanwhile.flatMap(({ seats }) => seats)
        expect(
          broken.filter((seat) => fault.seats.includes(seat)),
          `seed ${seed}`,
        ).toEqual([])
      }
    }
  })

  it('takes only the kinds that it is given', () => {
    const { faults } = writeScript({ seed: 1, minutes: 2, seats: 3, kinds: ['restart', 'cut'] })
    expect(new Set(faults.map(({ kind }) => kind))).toEqual(new Set(['restart', 'cut']))
  })
})

it('printScript names the seed and each fault in a line', () => {
  const script = writeScript({ seed: 3, minutes: 2, seats: 3 })
  const lines = printScript(script).split('\n')
  expect(lines[0]).toMatch(/^seed 3, 2 min, 3 processes: \d+ faults of \d+ kinds$/)
  expect(lines).toHaveLength(script.faults.length + 1)
})
