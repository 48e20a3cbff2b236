import { copyFile, mkdtempDisposable, readFile } from 'node:fs/promises'
import { stripTypeScriptTypes } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { CUTS, applyCut, cutPublishing } from './cut-publishing.ts'

const ABSTRACTIONS = join(import.meta.dirname, '../../packages/abstractions/src')

it.each(CUTS)('finds $text in $module, and leaves code that compiles', async (cut) => {
  const source = await readFile(join(ABSTRACTIONS, `${cut.module}.ts`), 'utf8')
  expect(() => stripTypeScriptTypes(applyCut(source, cut))).not.toThrow()
})

it('publishes nothing once all is cut', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'cut-publishing-'))
  const target = folder.path
  for (const module of ['tracing', 'event-hub']) {
    await copyFile(join(ABSTRACTIONS, `${module}.ts`), join(target, `${module}.ts`))
  }
  await cutPublishing(target)
  expect(await readFile(join(target, 'tracing.ts'), 'utf8')).not.toContain('hasSubscribers')
  const hub = await readFile(join(target, 'event-hub.ts'), 'utf8')
  expect(hub).toMatch(/hears\([^{]*\{ return false;/)
  expect(hub).toMatch(/emit<[^{]*\{ return;/)
})

it('refuses a module in which the text has vanished', () => {
  expect(() => applyCut('export {}', { module: 'tracing', text: /x\.y/, instead: 'false' })).toThrow(
    'tracing of the abstractions has no /x\\.y/ any more',
  )
})
