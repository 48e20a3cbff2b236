import { TestProcess } from 'test-process'
import { describe, expect, it } from 'vitest'
import { type CodeBlock, readTypeScript } from './documents.ts'
import { SnippetFolder } from './snippet-folder.ts'

const firstExample = (await readTypeScript()).find(({ document }) => document === 'README.md') as CodeBlock

describe('the first example', () => {
  it('is complete by line 20', () => {
    expect(firstExample.lastLine).toBeLessThanOrEqual(20)
  })

  it('runs once a second, and Ctrl+C lets the process end by itself', async () => {
    await using folder = await SnippetFolder.of([firstExample])
    await using example = new TestProcess(folder.fileOf(firstExample))
    const slots = () =>
      [...example.stdout.matchAll(/^deleting old logs (\S+)$/gm)].map(([, slot]) => Date.parse(slot as string))
    await example.until('three slots have run', () => slots().length >= 3)
    example.signal('SIGINT')
    expect(await example.exit).toEqual({ code: 0, signal: null })
    expect(example.stderr).toBe('')
    // A slot that a busy machine misses is missed; those that run are whole seconds apart.
    const [first = 0, ...others] = slots()
    for (const slot of others) expect((slot - first) % 1_000).toBe(0)
  })
})
