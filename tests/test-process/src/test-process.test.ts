import { tmpdir } from 'node:os'
import { describe, expect, it } from 'vitest'
import { TestProcess } from './test-process.ts'

const ECHO = new URL('fixtures/echo.ts', import.meta.url)

describe('TestProcess', () => {
  it('reads what the script writes, and talks to it, until it ends by itself', async () => {
    await using echo = new TestProcess(ECHO)
    echo.send('one')
    expect(await echo.line('heard one')).toBe('heard one')
    expect(echo.hasEnded).toBe(false)
    echo.send('two')
    expect(await echo.line(/^heard t/)).toBe('heard two')
    echo.send('end')
    expect(await echo.exit).toEqual({ code: 0, signal: null })
    expect(echo.hasEnded).toBe(true)
    expect(echo.lines.slice(1)).toEqual(['heard one', 'heard two', 'heard end'])
    expect(echo.stderr).toBe('to stderr\n')
  })

  it('starts it as it is told to', async () => {
    await using plain = new TestProcess(ECHO)
    expect(JSON.parse(await plain.line(/args/))).toEqual({ args: [], execArgv: [], folder: tmpdir() })
    await using special = new TestProcess(ECHO, {
      args: ['a', 'b'],
      nodeArgs: ['--expose-gc'],
      env: { COLOUR: 'red' },
      temporaryFolder: '/elsewhere',
      isInTerminal: true,
    })
    expect(JSON.parse(await special.line(/args/))).toMatchObject({
      args: ['a', 'b'],
      execArgv: expect.arrayContaining(['--expose-gc']),
      isTTY: true,
      folder: '/elsewhere',
      COLOUR: 'red',
    })
  })

  it('says what it wrote when it ends before what one waits for', async () => {
    await using echo = new TestProcess(ECHO)
    const answer = expect(echo.line('heard nothing')).rejects.toThrow(
      /echo\.ts ended with 0 before the line heard nothing:\n[\s\S]*heard end\nto stderr/,
    )
    echo.send('end')
    await answer
  })

  it('kills it when it lives too long', async () => {
    await using echo = new TestProcess(ECHO, { lifetimeMs: 1 })
    expect(await echo.exit).toEqual({ code: null, signal: 'SIGKILL' })
  })

  it('is gone when it is disposed, as often as that is done', async () => {
    const echo = new TestProcess(ECHO)
    await echo.line(/args/)
    await echo[Symbol.asyncDispose]()
    await echo[Symbol.asyncDispose]()
    expect(() => process.kill(echo.pid, 0)).toThrow('ESRCH')
    echo.send('nobody is there')
  })
})
