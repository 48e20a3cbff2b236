import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { withRedis } from 'example-bullmq/example-redis'
import { describe, expect, it } from 'vitest'

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url))
const WORKERS = new URL('../src/workers.ts', import.meta.url)

describe('the swap', () => {
  it('gives the same lines with both managers, and leaves no key behind', { timeout: 120_000 }, async () => {
    // It rejects unless the exit code is 0. REDIS_URL is there: the set-up of the vitest project gives it.
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [MAIN])
    expect(stderr).toBe('')
    const [, first, second] = stdout.split(/^MANAGER=\w+$/m).map(indentedLines)
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
    expect(stdout.trimEnd().split('\n').at(-1)).toBe('Both managers: the same lines.')
    expect(await withRedis(process.env.REDIS_URL as string, (redis) => redis.keys('*example-swap-*'))).toEqual([])
  })

  it('is not known to the workers', async () => {
    expect(await readFile(WORKERS, 'utf8')).not.toMatch(/process\.env|bullmq|default-manager/i)
  })
})

function indentedLines(part: string): string[] {
  return part.split('\n').flatMap((line) => (line.startsWith('   ') ? [line.trim()] : []))
}
