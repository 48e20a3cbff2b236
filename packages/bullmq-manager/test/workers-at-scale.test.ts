import { cron, every } from '@background-workers/abstractions'
import { Redis } from 'ioredis'
import { describe, expect, it, vi } from 'vitest'
import { TestCluster, rarely } from './fixtures/cluster.ts'
import { ownRedis } from './fixtures/fault-manager.ts'
import { Probe } from './fixtures/probe.ts'
import { passed, until } from './fixtures/until.ts'

// So that several heartbeats are among the idle time of a short test.
vi.mock('../src/reconciler.ts', async (original) => ({ ...(await original<object>()), BEAT_MS: 1_000 }))

// Every number here is counted by a Redis of the test's own; none is a time.
describe.concurrent('a thousand workers', () => {
  it.for<[title: string, queues: string[], connections: number]>([
    ['the default queue', ['default'], 3],
    ['no queue', [], 1],
    ['three queues', ['default', 'heavy', 'mail'], 5],
  ])('cost as many connections as one, with %s', async ([, queues, connections], test) => {
    const redis = await ownRedis(test)
    await using cluster = await TestCluster.open(redis.url)
    const probe = new Probe()
    const few = await cluster.start(manyWorkers(probe, 1), { queues })
    await untilConnections(cluster, connections)
    await few.stop()
    await untilConnections(cluster, 0)

    const many = await cluster.start(manyWorkers(probe, 1_000), { queues })
    await untilConnections(cluster, connections)
    await many.stop()
    await untilConnections(cluster, 0)
  })

  it('cost one connection less on a client of the application', async (test) => {
    const redis = await ownRedis(test)
    await using cluster = await TestCluster.open(redis.url)
    const client = new Redis(redis.url, { maxRetriesPerRequest: null })
    try {
      await client.ping()
      const before = await countConnections(cluster)
      const manager = await cluster.start(manyWorkers(new Probe(), 1_000), { connection: client })
      await untilConnections(cluster, before + 2)
      await manager.stop()
      await untilConnections(cluster, before)
      expect(client.status).toBe('ready')
    } finally {
      client.disconnect()
    }
  })

  it('cost as many idle commands as ten', async (test) => {
    const idle = await Promise.all(
      [10, 1_000].map(async (workers) => {
        const redis = await ownRedis(test)
        await using cluster = await TestCluster.open(redis.url)
        // The second start finds everything in place; its second heartbeat is the last that looks at everything.
        const first = await cluster.start(manyWorkers(new Probe(), workers))
        await first.stop()
        await cluster.start(manyWorkers(new Probe(), workers))
        await cluster.untilHeartbeats(4)
        const before = await cluster.countCommands()
        await passed(Date.now() + 6_000)
        return (await cluster.countCommands()) - before
      }),
    )
    const [few, many] = idle as [number, number]
    expect(few).toBeGreaterThan(0)
    // A heartbeat or a poll more or less in those seconds; one command for each worker would be 990 more.
    expect(Math.abs(many - few)).toBeLessThan(100)
    expect(many).toBeLessThan(200)
  })

  it('that have not changed start with as many commands as ten, and are listed with one', async (test) => {
    const counts = await Promise.all(
      [10, 1_000].map(async (workers) => {
        const redis = await ownRedis(test)
        await using cluster = await TestCluster.open(redis.url)
        const crons = () =>
          Array.from({ length: workers }, (_, index) => new Probe().worker(`cron-${index}`, cron('0 0 29 2 *')))
        const before = await cluster.start(crons())
        await before.stop()
        const { client, sent } = countingClient(redis.url)
        try {
          await client.ping()
          const after = cluster.instance({ connection: client })
          for (const worker of crons()) await after.add(worker)
          const sentBefore = sent()
          await after.start()
          const inStart = sent() - sentBefore
          const sentByStart = sent()
          expect(await after.list()).toHaveLength(workers)
          const inList = sent() - sentByStart
          await after.stop()
          return { inStart, inList }
        } finally {
          client.disconnect()
        }
      }),
    )
    const [few, many] = counts as [(typeof counts)[0], (typeof counts)[0]]
    expect(many.inStart).toBeGreaterThan(0)
    // What BullMQ's workers and heartbeats do meanwhile is counted as well; one command for each worker would be 990 more.
    expect(many.inStart).toBeLessThan(100)
    expect(Math.abs(many.inStart - few.inStart)).toBeLessThan(50)
    expect(many.inList).toBeLessThan(50)
  })
})

function manyWorkers(probe: Probe, count: number) {
  return Array.from({ length: count }, (_, index) =>
    probe.worker(`worker-${index}`, index % 2 === 0 ? rarely() : every('3650d', { offset: '3649d' })),
  )
}

/** A client of the application's own, and how many commands it has sent. */
function countingClient(url: string) {
  const client = new Redis(url, { maxRetriesPerRequest: null })
  const send = client.sendCommand.bind(client)
  let count = 0
  client.sendCommand = (...args) => {
    count++
    return send(...args)
  }
  return { client, sent: () => count }
}

/** BullMQ opens its connections a little after the start, and never more than these. */
async function untilConnections(cluster: TestCluster, count: number): Promise<void> {
  await until(`there are ${count} connections`, async () => (await countConnections(cluster)) === count)
  await passed(Date.now() + 200)
  expect(await countConnections(cluster)).toBe(count)
}

/** Those of instances; not the one that asks. */
async function countConnections(cluster: TestCluster): Promise<number> {
  const list = (await cluster.redis.client('LIST', 'TYPE', 'NORMAL')) as string
  return list.trim().split('\n').length - 1
}
