import { existsSync } from 'node:fs'
import { mkdtempDisposable, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TestProcess } from 'test-process'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { withClient } from './client.ts'
import { type RedisServer, type RedisServerOptions, startRedis } from './index.ts'

const toCleanUp: RedisServer[] = []

afterEach(async () => {
  for (const server of toCleanUp.splice(0)) await server.cleanUp()
  vi.unstubAllEnvs()
})

async function start(options?: RedisServerOptions): Promise<RedisServer> {
  const server = await startRedis(options)
  toCleanUp.push(server)
  return server
}

describe('startRedis', () => {
  it('starts a server that answers, on this machine only, and keeps nothing', async () => {
    const server = await start()
    expect(await server.cli('ping')).toBe('PONG')
    expect(await server.cli('config', 'get', 'bind')).toBe('bind\n127.0.0.1')
    expect(await server.cli('config', 'get', 'save')).toBe('save\n')
    expect(await server.cli('config', 'get', 'appendonly')).toBe('appendonly\nno')
    expect(await server.cli('info', 'server')).toContain(`process_id:${server.pid}`)
    expect(server.url).toBe(`redis://${server.host}:${server.port}`)
  })

  it('starts several at once, each on its own port and folder', async () => {
    const servers = await Promise.all(Array.from({ length: 8 }, () => start()))
    expect(new Set(servers.map((server) => server.port)).size).toBe(8)
    expect(new Set(servers.map((server) => server.dir)).size).toBe(8)
  })

  it('takes more of the command line', async () => {
    const server = await start({ args: ['--maxmemory', '10mb', '--maxmemory-policy', 'allkeys-lru'] })
    expect(await server.cli('config', 'get', 'maxmemory-policy')).toBe('maxmemory-policy\nallkeys-lru')
  })

  it('says what the server said when it does not start', async () => {
    await expect(start({ args: ['--no-such-option', '1'] })).rejects.toThrow(/did not start[\s\S]*no-such-option/)
  })

  it('refuses a port that is taken', async () => {
    const { port } = await start()
    await expect(start({ port })).rejects.toThrow(/did not start on port \d+[\s\S]*in use/)
  })

  it('puts the password into the url', async () => {
    const server = await start({ password: 'p@ss:/w' })
    expect(await server.cli('ping')).toBe('PONG')
    const bare = `redis://127.0.0.1:${server.port}`
    await expect(withClient(bare, (client) => client.ping())).rejects.toThrow('NOAUTH')
  })

  it('takes users from a file', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'test-redis-acl-'))
    const aclFile = join(folder.path, 'users.acl')
    await writeFile(aclFile, 'user default on nopass ~* &* +@all\nuser reader on >secret ~* +get +ping\n')
    const server = await start({ aclFile })
    await server.cli('set', 'key', '1')
    await withClient(`redis://reader:secret@127.0.0.1:${server.port}`, async (client) => {
      expect(await client.get('key')).toBe('1')
      await expect(client.set('key', '2')).rejects.toThrow('NOPERM')
    })
  })

  it('says what to install when there is no server program, also when REDIS_URL is set', async () => {
    vi.stubEnv('PATH', '')
    vi.stubEnv('REDIS_URL', 'redis://127.0.0.1:6379')
    await expect(start()).rejects.toThrow(/apt-get install redis-server/)
  })
})

describe('RedisServer', () => {
  it('keeps its data over a kill and restarts when it is append-only', async () => {
    const server = await start({ appendOnly: true })
    const before = { port: server.port, dir: server.dir, pid: server.pid }
    await server.cli('set', 'key', 'kept')
    await server.kill()
    await server.restart()
    expect(server.pid).not.toBe(before.pid)
    expect({ port: server.port, dir: server.dir }).toEqual({ port: before.port, dir: before.dir })
    expect(await server.cli('get', 'key')).toBe('kept')
    await server.restart()
    expect(await server.cli('get', 'key')).toBe('kept')
  })

  it('is empty after a restart when it is not', async () => {
    const server = await start()
    await server.cli('set', 'key', '1')
    await server.restart()
    expect(await server.cli('get', 'key')).toBe('')
  })

  it.each(['stop', 'kill'] as const)('is down after %s, as often as one calls it', async (how) => {
    const server = await start()
    const { pid } = server
    await server[how]()
    await server[how]()
    expect(isAlive(pid)).toBe(false)
    expect(server.isRunning).toBe(false)
    expect(() => server.pid).toThrow('Call restart()')
    expect(() => server.suspend()).toThrow('Call restart()')
    await expect(server.cli('ping')).rejects.toThrow('ECONNREFUSED')
  })

  it('answers nothing while it is suspended, and then all', async () => {
    const server = await start()
    await withClient(server.url, async (client) => {
      server.suspend()
      let isAnswered = false
      const answer = client.ping().finally(() => {
        isAnswered = true
      })
      await new Promise((resolve) => setTimeout(resolve, 200))
      expect(isAnswered).toBe(false)
      server.resume()
      expect(await answer).toBe('PONG')
    })
  })

  it('stops and cleans up also when it is suspended', async () => {
    const server = await start()
    server.suspend()
    await server.stop()
    await server.restart()
    server.suspend()
    const { pid, dir } = server
    await server.cleanUp()
    expect(isAlive(pid)).toBe(false)
    expect(existsSync(dir)).toBe(false)
  })

  it('leaves a folder alone that it was given', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'test-redis-own-'))
    const { path: dir } = folder
    const server = await start({ dir, appendOnly: true })
    await server.cli('set', 'key', '1')
    await server.cleanUp()
    const next = await start({ dir, appendOnly: true })
    expect(await next.cli('get', 'key')).toBe('1')
    await next.cleanUp()
  })

  it('dies with the process that started it, and so does its folder', async () => {
    await using parent = new TestProcess(new URL('fixtures/start-and-wait.ts', import.meta.url))
    const { url, dir } = JSON.parse(await parent.line(/url/)) as { url: string; dir: string }
    const ping = () => withClient(url, (client) => client.ping()).catch(String)
    expect(await ping()).toBe('PONG')
    parent.signal('SIGKILL')
    await expect.poll(ping).toContain('ECONNREFUSED')
    await expect.poll(() => existsSync(dir)).toBe(false)
  })
})

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
