import { TestProcess } from 'test-process'
import { expect, it } from 'vitest'

const MAIN = new URL('../src/main.ts', import.meta.url)

it('closes the sessions that expire and ends by itself', async () => {
  await using example = new TestProcess(MAIN)
  expect(await example.exit).toEqual({ code: 0, signal: null })
  expect(example.stderr).toBe('')
  expect(example.stdout).toContain('"closed":["Ada"')
  expect(example.lines.at(-1)).toMatch(/^The cleaner ran [1-9]\d* times\. Still open: Grace$/)
})
