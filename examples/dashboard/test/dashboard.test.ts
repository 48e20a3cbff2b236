import { withRedis } from 'example-bullmq/example-redis'
import { TestProcess } from 'test-process'
import { describe, expect, it } from 'vitest'

const MAIN = new URL('../src/main.ts', import.meta.url)
// The set-up of the vitest project gives it.
const REDIS_URL = process.env.REDIS_URL as string

describe.each(['default', 'bullmq'])('the dashboard example on the %s manager', (manager) => {
  it('opens by the link it shows, for who may act and who may look, and ends with Ctrl+C', async () => {
    await using example = new TestProcess(MAIN, { args: ['--manager', manager], env: { PORT: '0' } })
    await example.line('Press Ctrl+C to stop.')
    const [ada = '', tim = ''] = example.stdout.match(/http:\S+/g) ?? []
    expect((await fetch(new URL('/dashboard/workers', ada))).status).toBe(401)
    const list = await page(ada, '/dashboard/workers')
    expect(list.match(/data-worker="/g)?.length).toBeGreaterThanOrEqual(12)
    expect(list).toContain('Paused by ada: the warehouse counts until Friday')
    expect(list).toContain('overridden')
    expect(list).toContain('Start failed')
    const untilListed = (text: string) =>
      expect.poll(() => page(ada, '/dashboard/workers'), { timeout: 120_000 }).toContain(text)
    await untilListed('succeeded')
    // An older release has left it; it is noted half a minute after that has gone.
    if (manager === 'bullmq') await untilListed('data-state="orphaned"')
    expect(await page(ada, '/dashboard/workers/order-sync')).toContain('data-operation="pause"')
    expect(await page(tim, '/dashboard/workers/order-sync')).not.toContain('data-operation')
    example.signal('SIGINT')
    expect(await example.exit).toEqual({ code: 0, signal: null })
    expect(example.stderr).toBe('')
    expect(await withRedis(REDIS_URL, (redis) => redis.keys('*example-dashboard-*'))).toEqual([])
  })
})

it('ends by itself when it is told to', async () => {
  await using example = new TestProcess(MAIN, { args: ['--seconds', '0.1'], env: { PORT: '0' } })
  expect(await example.exit).toEqual({ code: 0, signal: null })
  expect(example.stdout).toContain('Press Ctrl+C')
})

it.each([
  ['a manager that it does not know', ['--manager', 'cron'], '--manager must be default or bullmq, got cron.\n'],
  ['a time that is none', ['--seconds', 'soon'], '--seconds must be a number above 0, at most 24 days, got soon.\n'],
  ['an option that it does not know', ['--port', '80'], /^Unknown option '--port'[^\n]*\n$/],
])('refuses %s, in one line', async (_, args, message) => {
  await using example = new TestProcess(MAIN, { args })
  expect(await example.exit).toEqual({ code: 1, signal: null })
  expect(example.stderr).toEqual(typeof message === 'string' ? message : expect.stringMatching(message))
})

it('shows a failure that nobody foresaw with its stack', async () => {
  await using example = new TestProcess(MAIN, { env: { PORT: 'http' } })
  expect(await example.exit).toEqual({ code: 1, signal: null })
  expect(example.stderr).toMatch(/^RangeError[\s\S]*\n {4}at /)
})

/** A page as the one sees it who has opened the link. */
async function page(link: string, path: string): Promise<string> {
  const login = await fetch(link, { redirect: 'manual' })
  const [cookie = ''] = login.headers.getSetCookie()[0]?.split(';') ?? []
  return (await fetch(new URL(path, link), { headers: { cookie } })).text()
}
