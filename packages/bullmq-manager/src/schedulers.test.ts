import { freshApplicationName, removeApplication, sharedRedis, withClient } from 'test-redis'
import { describe, expect, it } from 'vitest'
import { Keys } from './keys.ts'
import { TickSchedulers } from './schedulers.ts'

describe('TickSchedulers.readAll', () => {
  it('tells of each of thousands whether its pending job is there, and what is left of it', async () => {
    const applicationName = freshApplicationName()
    const { url } = await sharedRedis()
    const keys = new Keys(applicationName)
    const names = Array.from({ length: 2_500 }, (_, index) => `worker-${index}`)
    await withClient(url, async (client) => {
      const writing = client.pipeline()
      for (const [nextAt, name] of names.entries()) {
        const key = `${keys.schedulers}:${name}`
        writing.zadd(keys.schedulers, nextAt, name)
        if (name !== 'worker-2') writing.hset(key, 'data', '{"v":1,"fp":"every 5 0"}')
        if (name !== 'worker-2' && name !== 'worker-1500') writing.hset(`${key}:${nextAt}`, 'name', 'tick')
      }
      writing.hset(`${keys.schedulers}:worker-3`, 'data', '{"v":1,"fp":"a \\"b\\""}')
      writing.hset(`${keys.schedulers}:worker-4`, 'data', '{"v":2,"fp":"every 5 0"}')
      writing.del(`${keys.schedulers}:worker-5`).set(`${keys.schedulers}:worker-5`, 'no hash')
      await writing.exec()

      const ticks = await new TickSchedulers(client, keys, () => {}).readAll()
      expect([...ticks.keys()]).toEqual(names)
      const usual = { fingerprint: 'every 5 0', hasPendingJob: true, isBare: false }
      const unusual = [...ticks.values()].filter(
        (tick) => JSON.stringify(tick) !== JSON.stringify({ ...tick, ...usual }),
      )
      expect(unusual).toEqual([
        { id: 'worker-2', nextAt: 2, ...usual, fingerprint: undefined, hasPendingJob: false, isBare: true },
        { id: 'worker-3', nextAt: 3, ...usual, fingerprint: 'a "b"' },
        { id: 'worker-4', nextAt: 4, ...usual, fingerprint: undefined },
        { id: 'worker-5', nextAt: 5, ...usual, fingerprint: undefined },
        { id: 'worker-1500', nextAt: 1_500, ...usual, hasPendingJob: false },
      ])
    })
    await removeApplication(url, applicationName)
  })
})
