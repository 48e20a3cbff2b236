import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { InvalidOptionsError } from '@background-workers/abstractions'
import { createApplication, runApplication } from '@background-workers/hosting'
import { describe, expect, it } from 'vitest'
import { ApplicationProcess } from './fixtures/application-process.ts'

const BY_ITSELF = { signal: null }

describe('runApplication, at a signal', () => {
  it.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)(
    'lets the run finish after %s, stops in order, and the process ends by itself with 0',
    async (signal) => {
      await using child = new ApplicationProcess('graceful')
      await child.untilLogged('run started')
      child.signal(signal)
      expect((await child.untilLogged('signal received, the application stops')).signal).toBe(signal)
      child.goOn()
      expect(await child.exit).toEqual({ code: 0, ...BY_ITSELF })
      const after = child.messages.slice(child.messages.indexOf('signal received, the application stops') + 1)
      expect(after.filter((message) => message !== 'run succeeded')).toEqual([
        'plain worker stopped',
        'run finished',
        'background workers stopped',
        'module shut down',
        'application stopped',
        'ended with 0, process.exitCode 0, abandoned 0',
      ])
      expect(child.stderr).toBe('')
    },
  )

  it('abandons a run that never ends at the deadline, and exits with 1', async () => {
    await using child = new ApplicationProcess('never-ends')
    await child.untilLogged('run started')
    child.signal('SIGTERM')
    expect(await child.exit).toEqual({ code: 1, ...BY_ITSELF })
    expect(child.messages).toContain('ended with 1, process.exitCode 1, abandoned 1')
  })

  it('exits at once with 1 at the second', async () => {
    await using child = new ApplicationProcess('second-signal')
    await child.untilLogged('run started')
    child.signal('SIGINT')
    await child.untilLogged('signal received, the application stops')
    child.signal('SIGTERM')
    expect(await child.exit).toEqual({ code: 1, ...BY_ITSELF })
    expect(child.messages).toContain('second signal, the process exits at once')
    expect(child.messages).not.toContain('application stopped')
  })

  it.each([
    ['timer-left', 0],
    ['never-ends-and-timer-left', 1],
  ])('exits by force when something keeps the process alive (%s)', async (scenario, code) => {
    await using child = new ApplicationProcess(scenario)
    await child.untilLogged('run started')
    child.signal('SIGTERM')
    expect(await child.exit).toEqual({ code, ...BY_ITSELF })
    expect(child.messages.at(-1)).toBe('something keeps the process alive, it is exited')
  })

  it('exits at once, and as it would have, when everything has stopped and something keeps the process alive', async () => {
    await using child = new ApplicationProcess('timer-left-for-ever')
    await child.untilLogged('run started')
    child.signal('SIGTERM')
    await child.untilLogged('ended with 0, process.exitCode 0, abandoned 0')
    child.signal('SIGINT')
    expect(await child.exit).toEqual({ code: 0, ...BY_ITSELF })
    expect(child.messages.at(-1)).toBe('signal after everything has stopped, the process exits at once')
  })

  it('takes the same one again for the first also when everything has stopped meanwhile', async () => {
    await using child = new ApplicationProcess('same-signal-after-the-end')
    await child.untilLogged('application started')
    child.signal('SIGINT')
    expect(await child.exit).toEqual({ code: 0, ...BY_ITSELF })
    expect(child.messages.at(-1)).toBe('went on')
  })

  it('during the start waits for the hook that is being called and shuts down what it made', async () => {
    await using child = new ApplicationProcess('slow-start')
    await child.untilLogged('hook called')
    child.signal('SIGTERM')
    await child.untilLogged('signal received, the application stops')
    child.goOn()
    expect(await child.exit).toEqual({ code: 0, ...BY_ITSELF })
    expect(child.messages).toContain('module shut down')
    expect(child.messages).not.toContain('application started')
  })

  it('while it waits to start again ends cleanly', async () => {
    await using child = new ApplicationProcess('start-never-succeeds')
    const line = await child.untilLogged('application failed to start, it will be tried again')
    expect(line).toMatchObject({ attempt: 1, err: { message: 'the database is away' } })
    child.signal('SIGTERM')
    expect(await child.exit).toEqual({ code: 0, ...BY_ITSELF })
  })

  it('ends a process whose workers are disabled, which waits for it', async () => {
    await using child = new ApplicationProcess('disabled')
    await child.untilLogged('application started')
    child.signal('SIGTERM')
    expect(await child.exit).toEqual({ code: 0, ...BY_ITSELF })
    expect(child.messages).not.toContain('run started')
  })
})

describe('runApplication, while the application stops', () => {
  const ERROR = 'uncaught error, the application stops'
  const SIGNAL = 'signal received, the application stops'

  async function draining() {
    const child = new ApplicationProcess('does-as-told')
    await child.untilLogged('run started')
    return child
  }

  /** The run, and then everything else. */
  function expectFinished({ messages }: ApplicationProcess) {
    expect(messages.filter((message) => message === 'run finished' || message === 'module shut down')).toEqual([
      'run finished',
      'module shut down',
    ])
  }

  it('lets the run finish at the first uncaught error after a signal, and exits with 1', async () => {
    await using child = await draining()
    child.signal('SIGTERM')
    await child.untilLogged(SIGNAL)
    child.send('fail')
    expect(await child.untilLogged(ERROR)).toMatchObject({ level: 50, err: { message: 'a bug outside of any run' } })
    child.goOn()
    expect(await child.exit).toEqual({ code: 1, ...BY_ITSELF })
    expectFinished(child)
    expect(child.messages.at(-1)).toBe('ended with 1, process.exitCode 1, abandoned 0')
  })

  it.each([
    ['an uncaught error', 'fail', ERROR, 1],
    ['a stop of the application', 'stop', 'stop called', 0],
  ])('lets the run finish at the first signal after %s', async (_, wish, logged, code) => {
    await using child = await draining()
    child.send(wish)
    await child.untilLogged(logged)
    child.signal('SIGTERM')
    await child.untilLogged(SIGNAL)
    child.goOn()
    expect(await child.exit).toEqual({ code, ...BY_ITSELF })
    expectFinished(child)
  })

  it('waits for the run that an uncaught error comes from', async () => {
    await using child = await draining()
    child.send('fail')
    await child.untilLogged(ERROR)
    child.goOn()
    expect(await child.exit).toEqual({ code: 1, ...BY_ITSELF })
    expectFinished(child)
  })

  it('takes the same signal twice at once for one, as a Ctrl+C under npm can arrive', async () => {
    await using child = await draining()
    child.send('press Ctrl+C under npm')
    await child.untilLogged(SIGNAL)
    await child.untilLogged('same signal within a second, it counts once')
    child.goOn()
    expect(await child.exit).toEqual({ code: 0, ...BY_ITSELF })
    expectFinished(child)
  })

  it('exits at once with 1 at the same signal a second later', async () => {
    await using child = await draining()
    child.signal('SIGINT')
    await child.untilLogged(SIGNAL)
    child.send('let a second pass')
    await child.untilLogged('a second has passed')
    child.signal('SIGINT')
    expect(await child.exit).toEqual({ code: 1, ...BY_ITSELF })
    expect(child.messages.at(-1)).toBe('second signal, the process exits at once')
  })

  it.each([
    ['signal', 'second signal, the process exits at once'],
    ['error', 'second uncaught error, the process exits at once'],
  ])('exits at once with 1 at a second %s, whatever came first', async (kind, message) => {
    await using child = await draining()
    const again = () => (kind === 'signal' ? child.signal('SIGTERM') : child.send('fail'))
    child.send('fail')
    await child.untilLogged(ERROR)
    child.signal('SIGINT')
    await child.untilLogged(SIGNAL)
    again()
    expect(await child.exit).toEqual({ code: 1, ...BY_ITSELF })
    expect(child.messages.at(-1)).toBe(message)
    expect(child.messages).not.toContain('run finished')
  })
})

describe('runApplication, at an error', () => {
  it('stops gracefully after an uncaught one and exits with 1', async () => {
    await using child = new ApplicationProcess('uncaught-error')
    expect(await child.exit).toEqual({ code: 1, ...BY_ITSELF })
    const line = await child.untilLogged('uncaught error, the application stops')
    expect(line).toMatchObject({ level: 50, err: { message: 'a bug outside of any run' } })
    expect(child.messages).toContain('module shut down')
    expect(child.messages).toContain('ended with 1, process.exitCode 1, abandoned 0')
  })

  it('takes a rejection with nothing for an error too', async () => {
    await using child = new ApplicationProcess('rejected-with-nothing')
    expect(await child.exit).toEqual({ code: 1, ...BY_ITSELF })
    expect(child.messages).toContain('uncaught error, the application stops')
  })

  it('writes it to the console where there is no logger', async () => {
    await using child = new ApplicationProcess('uncaught-error-without-logger')
    expect(await child.exit).toEqual({ code: 1, ...BY_ITSELF })
    expect(child.stderr).toContain('a bug outside of any run')
  })
})

describe('runApplication, when the start fails', () => {
  it('tries again until it succeeds', async () => {
    await using child = new ApplicationProcess('start-succeeds-later')
    await child.untilLogged('run started')
    child.signal('SIGTERM')
    expect(await child.exit).toEqual({ code: 0, ...BY_ITSELF })
    const tries = child.logged.filter(({ msg }) => msg === 'application failed to start, it will be tried again')
    expect(tries.map(({ attempt, retryInMs }) => [attempt, retryInMs])).toEqual([
      [1, 1],
      [2, 2],
      [3, 4],
    ])
  })

  it('gives up after its attempts and exits with 1', async () => {
    await using child = new ApplicationProcess('start-is-given-up')
    expect(await child.exit).toEqual({ code: 1, ...BY_ITSELF })
    expect(await child.untilLogged('application failed to start')).toMatchObject({ level: 50, attempt: 2 })
  })

  it('gives up at once where another try can not help', async () => {
    await using child = new ApplicationProcess('start-is-a-mistake')
    expect(await child.exit).toEqual({ code: 1, ...BY_ITSELF })
    expect(await child.untilLogged('application failed to start')).toMatchObject({
      attempt: 1,
      err: { code: 'invalid-schedule' },
    })
  })
})

describe('runApplication', () => {
  it('ends when the application is stopped, by a run for example', async () => {
    await using child = new ApplicationProcess('stops-itself')
    expect(await child.exit).toEqual({ code: 0, ...BY_ITSELF })
    expect(child.messages).toContain('run finished')
    expect(child.messages).toContain('ended with 0, process.exitCode 0, abandoned 0')
  })

  it('ends cleanly when the application is stopped while it starts', async () => {
    await using child = new ApplicationProcess('stopped-while-it-starts')
    await child.untilLogged('hook called')
    child.goOn()
    expect(await child.exit).toEqual({ code: 0, ...BY_ITSELF })
    expect(child.messages).toContain('module shut down')
    expect(child.messages).not.toContain('application failed to start')
    expect(child.messages.at(-1)).toBe('ended with 0, process.exitCode 0, abandoned 0')
  })

  it('ends cleanly when the application is stopped while it would start again', async () => {
    await using child = new ApplicationProcess('stopped-while-it-waits-to-start-again')
    await child.untilLogged('shutting down')
    child.goOn()
    expect(await child.exit).toEqual({ code: 0, ...BY_ITSELF })
    expect(child.messages).not.toContain('application failed to start')
  })

  it('refuses to be called again: the process ends with the first application', async () => {
    await using child = new ApplicationProcess('run-twice')
    await child.until('it is refused', () => child.messages.find((message) => message.startsWith('refused: ')))
    expect(child.messages).toContain(
      'refused: runApplication: this process runs an application already, and ends with it. Let its root module depend on the modules of both, or call start() and stop() of this one.',
    )
    child.signal('SIGTERM')
    expect(await child.exit).toEqual({ code: 0, ...BY_ITSELF })
  })

  it('serves the health from before the start until after the stop', async () => {
    await using child = new ApplicationProcess('health')
    const { host, port } = await child.untilLogged('health endpoint opened')
    expect(host).toBe('127.0.0.1')
    const get = (path: string) => fetch(`http://127.0.0.1:${Number(port)}${path}`)
    const ready = async () => (await get('/health/ready')).status
    await child.untilLogged('hook called')
    expect(await (await get('/health/ready')).json()).toMatchObject({ status: 'unhealthy', state: 'starting' })
    expect((await get('/health/live')).status).toBe(200)
    child.goOn()
    await child.untilLogged('run started')
    await expect.poll(ready).toBe(200)
    expect((await get('/ready')).status).toBe(404)
    child.signal('SIGTERM')
    await child.untilLogged('signal received, the application stops')
    await expect.poll(ready).toBe(503)
    expect((await get('/health/live')).status).toBe(200)
    child.goOn()
    expect(await child.exit).toEqual({ code: 0, ...BY_ITSELF })
  })

  it('says that the port is in use and starts nothing', async () => {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    await using child = new ApplicationProcess('port-in-use', String(port))
    expect(await child.exit).toEqual({ code: 1, ...BY_ITSELF })
    expect(child.stderr).toContain(`health: port ${port} of 127.0.0.1 is in use`)
    expect(child.messages).not.toContain('hook called')
    await new Promise((resolve) => server.close(resolve))
  })

  it('refuses options that can not be kept', async () => {
    const application = await createApplication({ name: 'root' })
    const run = (options: object) => runApplication(application, options)
    await expect(run({ healt: {} })).rejects.toThrow(InvalidOptionsError)
    await expect(run({ health: {} })).rejects.toThrow(/health: "port" must be given/)
    await expect(run({ health: { port: 70_000 } })).rejects.toThrow(/"port" must be a whole number from 0 to 65535/)
    await expect(run({ health: { port: 0, pathPrefix: 'x' } })).rejects.toThrow(/"pathPrefix" must be a path/)
    await expect(run({ startRetry: { attempts: 0 } })).rejects.toThrow(/startRetry: "attempts"/)
    await expect(run({ exitGraceMs: -1 })).rejects.toThrow(/"exitGraceMs"/)
    await expect(runApplication({} as never)).rejects.toThrow(/must have the method start\(\)/)
  })
})
