import { randomApplicationName, removeKeys } from 'example-bullmq/example-redis'
import { TestProcess } from 'test-process'
import { describe, expect, it } from 'vitest'

const MAIN = new URL('../src/main.ts', import.meta.url)
// The set-up of the vitest project gives it.
const REDIS_URL = process.env.REDIS_URL as string

describe('the Nest application', () => {
  it('runs its workers with the default manager, and ends by itself', async () => {
    await using example = new TestProcess(MAIN, { env: { MANAGER: 'default' } })
    expect(await example.exit).toEqual({ code: 0, signal: null })
    expect(example.stderr).toBe('')
    expectSummary(example.stdout)
  })

  it('runs the same workers with BullMQ', async () => {
    const applicationName = randomApplicationName('example-nestjs')
    try {
      const env = { MANAGER: 'bullmq', APPLICATION_NAME: applicationName, REDIS_URL }
      await using example = new TestProcess(MAIN, { env })
      expect(await example.exit).toEqual({ code: 0, signal: null })
      expect(example.stderr).toBe('')
      expectSummary(example.stdout)
    } finally {
      await removeKeys(REDIS_URL, applicationName)
    }
  })

  it('stops its workers when it is told to end', async () => {
    // In a terminal it waits for Ctrl+C.
    await using example = new TestProcess(MAIN, { env: { MANAGER: 'default' }, isInTerminal: true })
    await example.line(/run succeeded/)
    example.signal('SIGTERM')
    // Nest sends itself the signal once more when it has shut down.
    expect(await example.exit).toEqual({ code: null, signal: 'SIGTERM' })
    expect(example.stdout).toContain('background workers stopped')
  })
})

function expectSummary(stdout: string): void {
  const [logged = '', summary = ''] = stdout.split('\n\n')
  const messages = logged.split('\n').map((line) => JSON.parse(line))
  expect(messages).toContainEqual(
    expect.objectContaining({ context: 'passive-user-checker', message: 'inactive users made passive' }),
  )
  const rows = new Map(summary.split('\n').map((line) => [line.slice(0, 16).trim(), line.slice(16)]))
  expect(rows.get('passive users')).toBe('Alan')
  expect(rows.get('connections')).toMatch(/^([2-9]|\d\d+) opened, one for each run; 0 left open$/)
  expect(rows.get('newsletter')).toBe('succeeded at attempt 2')
  expect(rows.get('manager')).toBe('stopped')
}
