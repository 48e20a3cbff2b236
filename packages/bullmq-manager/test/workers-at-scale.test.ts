import { cron, every } from '@background-workers/abstractions'
import { Redis } from 'ioredis'
import { type RedisServer, startRedis } from 'test-redis'
import { describe, expect, it } from 'vitest'
import { TestCluster, rarely } from './fixtures/cluster.ts'
import { Probe } from './fixtures/probe.ts'
import { passed, until } from './fixtures/until.ts'
import { CommandWatch } from './fixtures/watch-writes.ts'

// Every number here is counted by a Redis of the test's own; none is a time.
describe.concurrent('a thousand workers', () => {
  it.each([
    ['the default queue', ['default'], 3],
    ['no queue', [], 1],
    ['three queues', ['default', 'heavy', 'mail'], 5],
  ])('cost as many connections as one, with %s', async (_, queues, connections) => {
    await withServer(async (server) => {
      await using cluster = await TestCluster.open(server.url)
      const probe = new Probe()
      const few = await cluster.start(manyWorkers(probe, 1), { queues })
      expect(await countConnections(cluster)).toBe(connections)
      await few.stop()
      await until('its connections are closed', async () => (await countConnections(cluster)) === 0)

      const many = await cluster.start(manyWorkers(probe, 1_000), { queues })
      expect(await countConnections(cluster)).toBe(connections)
      await many.stop()
      await until('its connections are closed', async () => (await countConnections(cluster)) === 0)
    })
  })

  it('cost one connection less on a client of the application', async () => {
    await withServer(async (server) => {
      await using cluster = await TestCluster.open(server.url)
      const client = new Redis(server.url, { maxRetriesPerRequest: null })
      try {
        await client.ping()
        const before = await countConnections(cluster)
        const manager = await cluster.start(manyWorkers(new Probe(), 1_000), { connection: client })
        expect(await countConnections(cluster)).toBe(before + 2)
        await manager.stop()
        await until('its connections are closed', async () => (await countConnections(cluster)) === before)
        expect(client.status).toBe('ready')
      } finally {
        client.disconnect()
      }
    })
  })

  it('cost as many idle commands as ten', async () => {
    const idle = await Promise.all(
      [10, 1_000].map((workers) =>
        withServer(async (server) => {
          await using cluster = await TestCluster.open(server.url)
          await cluster.start(manyWorkers(new Probe(), workers))
          // What the start itself leads to is over.
          await passed(Date.now() + 2_000)
          const before = await countCommands(cluster)
          // A heartbeat is among it.
          await passed(Date.now() + 12_000)
          return (await countCommands(cluster)) - before
        }),
      ),
    )
    const [few, many] = idle as [number, number]
    expect(few).toBeGreaterThan(0)
    expect(Math.abs(many - few)).toBeLessThanOrEqual(20)
    expect(many).toBeLessThan(120)
  })

  it('that have not changed start with as few commands as ten', async () => {
    const counts = await Promise.all(
      [10, 1_000].map((workers) =>
        withServer(async (server) => {
          await using cluster = await TestCluster.open(server.url)
          await using watch = await CommandWatch.open(server.url)
          const crons = () =>
            Array.from({ length: workers }, (_, index) => new Probe().worker(`cron-${index}`, cron('0 0 29 2 *')))
          const before = await cluster.start(crons())
          await before.stop()
          const after = cluster.instance()
          for (const worker of crons()) await after.add(worker)
          await watch.takeCounts()
          await after.start()
          return watch.takeCounts()
        }),
      ),
    )
    const [few, many] = counts as [(typeof counts)[0], (typeof counts)[0]]
    expect(many.sent).toBeLessThan(60)
    expect(Math.abs(many.sent - few.sent)).toBeLessThanOrEqual(10)
    // One script reads all schedulers: what it looks at, twice for each, never leaves Redis one by one.
    expect(many.inScripts).toBeLessThan(2_000 + 100)
  })

  it('are listed with one read', async () => {
    await withServer(async (server) => {
      await using cluster = await TestCluster.open(server.url)
      await using watch = await CommandWatch.open(server.url)
      const manager = await cluster.start(manyWorkers(new Probe(), 1_000), { queues: [] })
      await watch.takeCounts()
      expect(await manager.list()).toHaveLength(1_000)
      // A tick worker that waits, and a look for stalled jobs, may come in between.
      expect((await watch.takeCounts()).sent).toBeLessThanOrEqual(4)
    })
  })
})

function manyWorkers(probe: Probe, count: number) {
  return Array.from({ length: count }, (_, index) =>
    probe.worker(`worker-${index}`, index % 2 === 0 ? rarely() : every('3650d', { offset: '3649d' })),
  )
}

async function withServer<T>(use: (server: RedisServer) => Promise<T>): Promise<T> {
  const server = await startRedis()
  try {
    return await use(server)
  } finally {
    await server.cleanUp()
  }
}

/** Those of instances; not the one that asks. */
async function countConnections(cluster: TestCluster): Promise<number> {
  const list = (await cluster.redis.client('LIST', 'TYPE', 'NORMAL')) as string
  return list.trim().split('\n').length - 1
}

/** All that were carried out, those of scripts too, without those that ask. */
async function countCommands(cluster: TestCluster): Promise<number> {
  const stats = await cluster.redis.info('commandstats')
  let count = 0
  for (const [, name, calls] of stats.matchAll(/cmdstat_(\S+?):calls=(\d+)/g)) {
    if (name !== 'info') count += Number(calls)
  }
  return count
}
