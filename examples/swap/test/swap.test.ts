import { readFile } from 'node:fs/promises'
import { withRedis } from 'example-bullmq/example-redis'
import { TestProcess } from 'test-process'
import { describe, expect, it } from 'vitest'

const MAIN = new URL('../src/main.ts', import.meta.url)
const WORKERS = new URL('../src/workers.ts', import.meta.url)

describe('the swap', () => {
  it('gives the same lines with both managers, and leaves no key behind', async () => {
    // REDIS_URL is there: the set-up of the vitest project gives it.
    await using example = new TestProcess(MAIN)
    expect(await example.exit).toEqual({ code: 0, signal: null })
    expect(example.stderr).toBe('')
    const [, first, second] = example.stdout.split(/^MANAGER=\w+$/m).map(indentedLines)
    expect(first).toEqual([
      'digest        succeeded, succeeded, succeeded',
      'flaky-report  succeeded, failed (the printer is out of paper), succeeded',
      'import        succeeded at attempt 2, succeeded at attempt 2, succeeded at attempt 2',
      'slow-export   failed (timeout), failed (timeout), failed (timeout)',
      'mailboxes     one for each run: true, all closed: true',
      'pause         digest is paused by ada: audit',
      'trigger       digest, manual by ada: succeeded',
      'reschedule    import by ada: {"kind":"every","periodMs":3600000}',
      'refused       unknown-worker',
      'abandoned     0',
    ])
    expect(second).toEqual(first)
    expect(example.lines.at(-1)).toBe('Both managers: the same lines.')
    expect(await withRedis(process.env.REDIS_URL as string, (redis) => redis.keys('*example-swap-*'))).toEqual([])
  })

  it('is not known to the workers', async () => {
    expect(await readFile(WORKERS, 'utf8')).not.toMatch(/process\.env|bullmq|default-manager/i)
  })
})

function indentedLines(part: string): string[] {
  return part.split('\n').flatMap((line) => (line.startsWith('   ') ? [line.trim()] : []))
}
