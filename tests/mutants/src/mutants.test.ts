import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { mutants } from './mutants.ts'
import { withEdits } from './with-edits.ts'

const root = join(import.meta.dirname, '../../..')

describe('a mutant', () => {
  it.each(mutants)('changes what is there, and names tests that are: $name', (mutant) => {
    const source = readFileSync(join(root, mutant.file), 'utf8')
    expect(withEdits(source, mutant)).not.toBe(source)
    expect(mutant.tests.filter((test) => !existsSync(join(root, test)))).toEqual([])
  })

  it('has a name of its own', () => {
    const names = mutants.map(({ name }) => name)
    expect(names.filter((name, index) => names.indexOf(name) < index)).toEqual([])
  })
})
