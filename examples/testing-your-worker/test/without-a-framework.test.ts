import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const FILE = fileURLToPath(new URL('with-node-test.ts', import.meta.url))

// Only so that this repository's test command runs that file too.
it('the tests of node:test pass', { timeout: 120_000 }, async () => {
  // It rejects unless the exit code is 0.
  const { stdout } = await promisify(execFile)(process.execPath, ['--test', '--test-reporter=tap', FILE])
  expect(stdout).toMatch(/^# pass 2$/m)
  expect(stdout).toMatch(/^# fail 0$/m)
})
