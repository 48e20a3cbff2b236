import { join } from 'node:path'
import { TestProcess } from 'test-process'
import { describe, expect, it } from 'vitest'
import { ROOT, findDocuments, readBlocks, readDocument, readTypeScript } from './documents.ts'
import { needsRedis, runProgram } from './program.ts'
import { SnippetFolder } from './snippet-folder.ts'

const blocks = await readTypeScript()
const programs = blocks.filter((block) => block.isRun && !needsRedis(block))

describe('the code in the documents', () => {
  it('is TypeScript, and so compiled, or something that is no program of ours', async () => {
    const all = (await Promise.all((await findDocuments()).map(readBlocks))).flat()
    const languages = new Set(all.map(({ language }) => language))
    expect([...languages].sort()).toEqual(['', 'mermaid', 'sh', 'text', 'ts', 'yaml'])
  })

  it('is there in each page that tells how to do something', () => {
    const documents = new Set(blocks.map(({ document }) => document))
    for (const page of [
      'README.md',
      'docs/guide.md',
      'docs/semantics.md',
      'docs/operating.md',
      'docs/migration/agenda.md',
    ])
      expect(documents).toContain(page)
  })

  it('compiles under the strict settings of the workspace', async () => {
    await using folder = await SnippetFolder.of(blocks)
    await using compiler = new TestProcess(join(ROOT, 'node_modules/typescript/bin/tsc'), { args: ['-p', folder.path] })
    const { code } = await compiler.exit
    expect(compiler.stdout + compiler.stderr).toBe('')
    expect(code).toBe(0)
  })

  it('is run where it is a program: where nothing is exported and no test framework calls it', () => {
    const unmarked = blocks.filter(({ isRun, code }) => isRun === /^export |from 'vitest'/m.test(code))
    expect(unmarked.map(({ document, firstLine }) => `${document}:${firstLine}`)).toEqual([])
  })

  it.each(programs.map((block) => [block.document, block.firstLine, block] as const))(
    'runs where it is a program: %s, line %i',
    async (_document, _line, block) => {
      await runProgram(block)
    },
  )
})

it('a document names only scripts that are there', async () => {
  const { scripts } = JSON.parse(await readDocument('package.json')) as { scripts: Record<string, string> }
  for (const document of await findDocuments()) {
    const named = [...(await readDocument(document)).matchAll(/\bnpm run ([a-z][\w:-]*)/g)].map(([, name]) => name)
    for (const name of named) expect(Object.keys(scripts), `${document} names it`).toContain(name)
  }
})
