import { describe, expect, it, vi, afterEach } from 'vitest'
import { startRedis } from './index.ts'
import { provideRedis, sharedRedis } from './shared-redis.ts'

afterEach(() => {
  vi.unstubAllEnvs()
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

  it('says what to install when there is no other way', async () => {
    vi.stubEnv('REDIS_URL', '')
    vi.stubEnv('PATH', '')
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
