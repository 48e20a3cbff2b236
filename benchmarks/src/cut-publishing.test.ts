import { readFile } from 'node:fs/promises'
import { stripTypeScriptTypes } from 'node:module'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { CUTS, applyCut } from './cut-publishing.ts'

const ABSTRACTIONS = join(import.meta.dirname, '../../packages/abstractions/src')

it.each(CUTS)('finds in $module what is to be cut, and leaves code that compiles', async (cut) => {
  const source = await readFile(join(ABSTRACTIONS, `${cut.module}.ts`), 'utf8')
  const changed = applyCut(source, cut)
  expect(() => stripTypeScriptTypes(changed)).not.toThrow()
  expect(changed.match(/hasSubscribers/g)).toBeNull()
  // Nothing is left that could be called for somebody who listens.
  if (cut.module === 'event-hub') expect(changed).toMatch(/emit[^{]*\{ return;/)
})

it('refuses a module in which the text has vanished', () => {
  expect(() => applyCut('export {}', { module: 'tracing', text: /x\.y/, instead: 'false' })).toThrow(
    'tracing of the abstractions has no /x\\.y/ any more',
  )
})
