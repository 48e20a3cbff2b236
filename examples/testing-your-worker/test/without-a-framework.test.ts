import { TestProcess } from 'test-process'
import { expect, it } from 'vitest'

const FILE = new URL('with-node-test.ts', import.meta.url)

// Only so that this repository's test command runs that file too.
it('the tests of node:test pass', async () => {
  await using tests = new TestProcess(FILE, { nodeArgs: ['--test', '--test-reporter=tap'] })
  expect(await tests.exit).toEqual({ code: 0, signal: null })
  expect(tests.lines).toEqual(expect.arrayContaining(['# pass 2', '# fail 0']))
})
