import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url))

it('closes the sessions that expire and ends by itself', { timeout: 120_000 }, async () => {
  // It rejects unless the exit code is 0.
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [MAIN])
  expect(stderr).toBe('')
  expect(stdout).toContain('"closed":["Ada"')
  expect(stdout.trimEnd().split('\n').at(-1)).toMatch(/^The cleaner ran [1-9]\d* times\. Still open: Grace$/)
})
