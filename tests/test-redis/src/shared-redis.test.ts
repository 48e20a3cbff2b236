import { mkdtempDisposable, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { withClient } from './client.ts'
import { isDockerRunning, startDockerRedis } from './docker-redis.ts'
import { findRedisServer } from './find-redis-server.ts'
import { startRedis } from './index.ts'
import { provideRedis, sharedRedis } from './shared-redis.ts'

vi.mock('./docker-redis.ts', { spy: true })

afterEach(() => {
  vi.unstubAllEnvs()
  vi.restoreAllMocks()
})

describe('provideRedis', () => {
  it('takes REDIS_URL before anything else, and leaves that Redis running', async () => {
    const server = await startRedis()
    vi.stubEnv('REDIS_URL', server.url)
    const redis = await provideRedis()
    expect(redis.url).toBe(server.url)
    await redis.stop()
    expect(await server.cli('ping')).toBe('PONG')
    await server.cleanUp()
  })

  it('says so when nothing answers at REDIS_URL, without the password', async () => {
    const server = await startRedis()
    await server.kill()
    vi.stubEnv('REDIS_URL', `redis://:secret@127.0.0.1:${server.port}`)
    const failure = await provideRedis().catch((error: unknown) => error)
    expect(String(failure)).toContain(`No Redis answers at 127.0.0.1:${server.port}`)
    expect(String(failure)).not.toContain('secret')
    await server.cleanUp()
  })

  it('starts a server from the path, and stops it', async () => {
    vi.stubEnv('REDIS_URL', '')
    const redis = await provideRedis()
    vi.stubEnv('REDIS_URL', redis.url)
    await redis.stop()
    await expect(provideRedis()).rejects.toThrow('No Redis answers')
  })

  it('installs redis-server where it may, and goes on without Docker when that fails', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'test-redis-bin-'))
    const bin = folder.path
    const script = (name: string, body: string) => writeFile(join(bin, name), `#!/bin/sh\n${body}\n`, { mode: 0o755 })
    for (const program of ['/usr/bin/env', '/bin/ln', '/bin/sh'])
      await symlink(program, join(bin, program.split('/').at(-1)!))
    await script('sudo', 'shift; exec "$@"')
    await script('apt-get', `[ "$1" = install ] && ln -s "${findRedisServer()}" "${bin}/redis-server"; exit 0`)
    vi.mocked(isDockerRunning).mockResolvedValue(true)
    vi.mocked(startDockerRedis).mockRejectedValue(new Error('no such image'))
    vi.stubEnv('REDIS_URL', '')
    vi.stubEnv('PATH', bin)
    vi.stubEnv('CI', 'true')
    vi.spyOn(console, 'info').mockReturnValue()

    const redis = await provideRedis()
    expect(await withClient(redis.url, (client) => client.ping())).toBe('PONG')
    await redis.stop()
    expect(vi.mocked(console.info).mock.calls.flat().at(-1)).toContain('apt-get install')
  })

  it('says what to install when there is no other way', async () => {
    vi.stubEnv('REDIS_URL', '')
    vi.stubEnv('PATH', '')
    vi.mocked(isDockerRunning).mockResolvedValue(false)
    await expect(provideRedis()).rejects.toThrow(
      /there is none[\s\S]*not tried[\s\S]*apt-get install redis-server[\s\S]*REDIS_URL=/,
    )
  })
})

describe('sharedRedis', () => {
  it('says where to list a test for which no Redis is provided', async () => {
    vi.stubEnv('REDIS_URL', '')
    await expect(sharedRedis()).rejects.toThrow('redisTests')
  })
})
