import { every } from '@background-workers/abstractions'
import { describe, it, vi } from 'vitest'
import { TestCluster, rarely } from './fixtures/cluster.ts'
import { type Test, outcomeOf } from './fixtures/fault-manager.ts'
import { losingRedis } from './fixtures/losing-redis.ts'
import { Probe } from './fixtures/probe.ts'
import { until } from './fixtures/until.ts'

// What the next heartbeat writes is there soon.
vi.mock('../src/reconciler.ts', async (original) => ({ ...(await original<object>()), BEAT_MS: 100 }))

describe.concurrent('while a start', () => {
  const moments = {
    'has written the names of its workers': (command: string) => command.includes(':instances:names'),
    'writes what it has planned': (command: string) => command.includes('definition:early'),
  }
  for (const [moment, fits] of Object.entries(moments)) {
    it(`${moment}, a worker that is added is declared, and runs on start`, async (test) => {
      const { expect } = test
      const { hold, cluster, manager, probe, names } = await notStarted(test)
      await manager.add(probe.worker('early', rarely()))
      const held = hold(fits)
      const starting = manager.start()
      const release = await held
      const adding = manager.add(probe.worker('late', rarely(), { policy: { runOnStart: true } }))
      release()
      await Promise.all([starting, adding])
      expect(await names()).toEqual(['early', 'late'])
      expect(await cluster.storedWorkers()).toHaveProperty('definition:late')
      await until('it runs on start', () => probe.calls.length === 1)
      expect(probe.calls).toMatchObject([{ worker: 'late', kind: 'start' }])
    })

    it(`${moment}, a worker that is removed is not declared any more`, async (test) => {
      const { expect } = test
      const { hold, cluster, manager, probe, names } = await notStarted(test)
      for (const name of ['early', 'unwanted']) await manager.add(probe.worker(name, rarely()))
      const held = hold(fits)
      const starting = manager.start()
      const release = await held
      const removing = manager.remove('unwanted')
      release()
      await starting
      expect(await removing).toBe(true)
      expect(await manager.get('unwanted')).toBeUndefined()
      expect(await cluster.storedWorkers()).not.toHaveProperty('definition:unwanted')
      expect(Object.keys(await cluster.storedSchedulers())).toEqual(['early'])
      await until('its name is gone', async () => (await names()).join() === 'early')
    })
  }

  it('has written the names of its workers, one that is removed elsewhere is not among them any more', async (test) => {
    const { expect } = test
    const { hold, cluster, manager, probe, names } = await notStarted(test)
    const other = await cluster.start([probe.worker('unwanted', rarely())])
    await other.stop()
    for (const name of ['early', 'unwanted']) await manager.add(probe.worker(name, rarely()))
    const held = hold(moments['has written the names of its workers'])
    const starting = manager.start()
    const release = await held
    // Later than this start, whatever the clocks say, and not so far ahead of them as if one had been set back.
    await cluster.store().remove('unwanted', Date.now() + 5_000)
    release()
    await starting
    expect((await manager.list()).map(({ name }) => name)).toEqual(['early'])
    expect(await names()).toEqual(['early'])
  })

  it('writes what it has planned, a bad call is refused at once', async (test) => {
    const { expect } = test
    const { hold, manager, probe } = await notStarted(test, { startTimeoutMs: 20_000 })
    await manager.add(probe.worker('early', rarely()))
    const held = hold(moments['writes what it has planned'])
    const starting = outcomeOf(manager.start())
    const release = await held
    const adding = manager.add(probe.worker('late', rarely()))
    const bad = [
      manager.add(probe.worker('early', rarely())),
      manager.add(probe.worker('late', rarely())),
      manager.add(probe.worker('bad', every(1))),
      manager.add({ name: 'bad' } as never),
      manager.remove('early', { who: 'me' } as never),
    ]
    const refusals = await Promise.all(bad.map(outcomeOf))
    expect(manager.state).toBe('starting')
    expect(refusals.map(({ code }) => code)).toEqual([
      'duplicate-worker',
      'duplicate-worker',
      'invalid-schedule',
      'invalid-worker',
      'invalid-options',
    ])
    release()
    expect(await starting).toMatchObject({ code: 'resolved' })
    await adding
    expect((await manager.list()).map(({ name }) => name)).toEqual(['early', 'late'])
  })

  it('fails, a worker that is added is kept for the next one', async (test) => {
    const { expect } = test
    const { hold, cluster, manager, probe, names } = await notStarted(test, { startTimeoutMs: 5_000 })
    await manager.add(probe.worker('early', rarely()))
    const held = hold(moments['has written the names of its workers'])
    const starting = outcomeOf(manager.start())
    const release = await held
    const adding = manager.add(probe.worker('late', rarely()))
    expect(await starting).toMatchObject({ code: 'store-unavailable' })
    release()
    await adding
    expect((await manager.list()).map(({ name }) => name)).toEqual(['early', 'late'])
    await until('it starts', async () => (await outcomeOf(manager.start())).code === 'resolved')
    expect(await names()).toEqual(['early', 'late'])
    expect(await cluster.storedWorkers()).toHaveProperty('definition:late')
  })
})

/** An instance that is to be started on a Redis that holds answers back; `names` are those that it has written there, in order. */
async function notStarted(test: Test, options: { readonly startTimeoutMs?: number } = {}) {
  const { redis, target, hold } = await losingRedis(test)
  const cluster = await TestCluster.open(target.url)
  test.onTestFinished(() => cluster[Symbol.asyncDispose]())
  const manager = cluster.instance({ connection: redis, ...options })
  const names = async () => (await cluster.redis.hvals(cluster.key('instances:names'))).flatMap(readNames).sort()
  return { hold, cluster, manager, probe: new Probe(), names }
}

function readNames(text: string): string[] {
  return JSON.parse(text) as string[]
}
