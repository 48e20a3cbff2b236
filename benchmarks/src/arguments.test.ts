import { describe, expect, it } from 'vitest'
import { parseArguments } from './arguments.ts'

describe('parseArguments', () => {
  it('measures everything five times when nothing is said', () => {
    expect(parseArguments([])).toEqual({
      list: false,
      quick: false,
      only: [],
      runs: 5,
      writeDocs: false,
      soak: false,
      minutes: 30,
      json: undefined,
    })
  })

  it('measures once when it is to be quick, unless told otherwise', () => {
    expect(parseArguments(['--quick'])).toMatchObject({ quick: true, runs: 1, minutes: 1 })
    expect(parseArguments(['--quick', '--runs', '3'])).toMatchObject({ quick: true, runs: 3 })
  })

  it('takes several measures', () => {
    expect(parseArguments(['--only', 'drift', '--only=import']).only).toEqual(['drift', 'import'])
  })

  it('reads the soak', () => {
    expect(parseArguments(['--soak', '--minutes', '0.5'])).toMatchObject({ soak: true, minutes: 0.5 })
  })

  it.each([['0'], ['-1'], ['many'], ['2.5'], ['Infinity']])('refuses %s runs, naming the option', (runs) => {
    expect(() => parseArguments([`--runs=${runs}`])).toThrow(`--runs takes a number above 0, got "${runs}".`)
  })

  it('refuses to write a page with only some of its tables', () => {
    expect(() => parseArguments(['--write-docs', '--only', 'drift'])).toThrow('Leave --only out')
  })

  it('refuses an option that it does not know', () => {
    expect(() => parseArguments(['--fast'])).toThrow('--fast')
  })
})
