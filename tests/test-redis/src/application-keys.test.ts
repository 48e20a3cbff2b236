import { describe, expect, inject, it } from 'vitest'
import { withClient } from './client.ts'
import { freshApplicationName, removeApplication, sharedRedis } from './index.ts'

describe('sharedRedis', () => {
  it('is the Redis that the set-up provides', async () => {
    const { url } = await sharedRedis()
    expect(url).toBe(inject('redisUrl'))
    expect(await withClient(url, (client) => client.ping())).toBe('PONG')
  })
})

describe('freshApplicationName', () => {
  it('is a slug, and another one each time', () => {
    const names = Array.from({ length: 100 }, freshApplicationName)
    expect(new Set(names).size).toBe(100)
    for (const name of names) expect(name).toMatch(/^[a-z0-9][a-z0-9._-]{0,99}$/)
  })
})

describe('removeApplication', () => {
  it('deletes all keys of the application and no other', async () => {
    const { url } = await sharedRedis()
    const name = freshApplicationName()
    const neighbour = `${name}2`
    await withClient(url, async (client) => {
      const pairs = Array.from({ length: 2_500 }, (_, i) => [`{${name}}:runs:${i}`, '1']).flat()
      await client.mset(...pairs)
      await client.mset(`{${neighbour}}:meta`, '1', `${name}:meta`, '1')

      expect(await removeApplication(url, name)).toBe(2_500)
      expect(await client.keys(`*${name}*`)).toHaveLength(2)
      expect(await removeApplication(url, name)).toBe(0)

      expect(await removeApplication(url, neighbour)).toBe(1)
      await client.unlink(`${name}:meta`)
    })
  })

  it('takes the name literally', async () => {
    const { url } = await sharedRedis()
    const name = freshApplicationName()
    await withClient(url, async (client) => {
      await client.set(`{${name}}:meta`, '1')
      expect(await removeApplication(url, `${name.slice(0, -1)}*`)).toBe(0)
      expect(await removeApplication(url, `${name.slice(0, -1)}?`)).toBe(0)
      expect(await client.exists(`{${name}}:meta`)).toBe(1)
    })
    expect(await removeApplication(url, name)).toBe(1)
    await expect(removeApplication(url, '')).rejects.toThrow('needs the name')
  })
})
