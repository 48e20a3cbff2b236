import { TestProcess } from 'test-process'
import { describe, expect, it } from 'vitest'

const MAIN = new URL('../src/main.ts', import.meta.url)

describe('npm run torture', () => {
  it.each([
    [['--nonsense'], /Unknown option '--nonsense'/],
    [['--minutes', '0'], /--minutes must be from 1 to 1440, got 0/],
    [['--seed', 'x'], /--seed must be a whole number from 0, got x/],
    [['--manager', 'cron'], /--manager must be one of default, bullmq, got cron/],
  ])('refuses %j and says what it takes', async (args, problem) => {
    await using command = new TestProcess(MAIN, { args })
    expect((await command.exit).code).toBe(2)
    expect(command.stderr).toMatch(problem)
    expect(command.stderr).toContain('Usage: npm run torture')
  })

  it('prints its script, and ends everything that it has started when it is interrupted', async () => {
    await using command = new TestProcess(MAIN, { args: ['--', '--minutes', '1', '--seed', '5'] })
    expect(await command.line(/^manager/)).toMatch(/^manager bullmq, seed 5, 1 min, 3 processes: \d+ faults/)
    command.signal('SIGINT')
    expect((await command.exit).code).toBe(130)
    expect(command.lines.at(-1)).toBe('Ended early; nothing was judged.')
  })
})
