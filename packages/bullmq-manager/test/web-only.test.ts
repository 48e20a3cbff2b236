import { every } from '@background-workers/abstractions'
import { describe, expect, it, vi } from 'vitest'
import { TestCluster, listen, rarely, untilOver } from './fixtures/cluster.ts'
import { Probe } from './fixtures/probe.ts'
import { passed, until } from './fixtures/until.ts'

// A run is cancelled elsewhere at a heartbeat; ten seconds are long for a test.
vi.mock('../src/reconciler.ts', async (original) => ({ ...(await original<object>()), BEAT_MS: 300 }))

describe.concurrent('an instance with isEnabled: false', () => {
  it('lists, triggers, cancels, reschedules, pauses and removes workers that it does not have, and reads their records', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const gate = Promise.withResolvers<void>()
    const worker = await cluster.start([
      probe.worker('digest', rarely(), { on: 'worker', policy: { keepRuns: 7 } }),
      probe.worker('slow', rarely(), {
        on: 'worker',
        doWork: ({ signal }) => {
          signal.addEventListener('abort', () => gate.resolve())
          return gate.promise
        },
      }),
    ])
    const web = await cluster.start([], { isEnabled: false })

    expect((await web.list()).map(({ name, state }) => [name, state])).toEqual([
      ['digest', 'idle'],
      ['slow', 'idle'],
    ])
    expect(await web.get('digest')).toEqual(await worker.get('digest'))
    const runId = await web.trigger('digest', { by: 'ada' })
    expect(await untilOver(web, runId)).toMatchObject({ outcome: 'succeeded', kind: 'manual', by: 'ada' })
    expect(await web.runs('digest')).toEqual(await worker.runs('digest'))

    const slow = await web.trigger('slow')
    await until('it runs', async () => (await web.get('slow'))?.state === 'running')
    expect(await web.cancel(slow)).toBe(true)
    expect((await untilOver(web, slow)).outcome).toBe('aborted')

    await web.reschedule('digest', every('1s'), { by: 'ada' })
    await until('it runs by the override', () => probe.callsOf('digest').length > 1)
    await web.pause('digest', { note: 'audit' })
    await cluster.settles('digest')
    const calls = probe.calls.length
    await passed(Date.now() + 1_500)
    expect(probe.calls).toHaveLength(calls)
    expect(await worker.get('digest')).toMatchObject({ state: 'paused', paused: { note: 'audit' } })
    await web.resume('digest')
    await until('it runs again', () => probe.calls.length > calls)
    expect(await web.remove('digest')).toBe(true)
    expect((await web.list()).map(({ name }) => name)).toEqual(['slow'])
    expect(probe.calls.every(({ on }) => on === 'worker')).toBe(true)
  })

  it('runs nothing, declares nothing and is no instance of the application', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const web = cluster.instance({ isEnabled: false, release: 9 })
    await web.add(probe.worker('frequent', every('1s')))
    await web.add(probe.worker('first', rarely(), { policy: { runOnStart: true } }))
    const runs = listen(web, 'run-started')
    await web.start()
    expect(await cluster.storedWorkers()).toEqual({})
    expect(await cluster.storedSchedulers()).toEqual({})
    expect(await web.health()).toMatchObject({ instances: [] })

    // Its release does not count: the workers of release 1 are in force.
    const worker = await cluster.start([probe.worker('first', rarely(), { on: 'worker' })], { release: 1 })
    await untilOver(web, await web.trigger('first'))

    expect(probe.calls.map(({ worker: name, on }) => [name, on])).toEqual([['first', 'worker']])
    expect(runs).toEqual([])
    expect((await worker.health()).instances).toHaveLength(1)
    expect((await worker.list()).map(({ name }) => name)).toEqual(['first'])
  })

  it('reads and triggers while no worker process lives; the run waits for one', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const workers = (on: string) => [probe.worker('digest', rarely(), { on })]
    const worker = await cluster.start(workers('first'))
    await untilOver(worker, await worker.trigger('digest'))
    await cluster.runsSettle()
    await worker.stop()

    const web = await cluster.start([], { isEnabled: false })
    await until('nobody is there to run it', async () => (await web.get('digest'))?.state === 'no-handler')
    expect(await web.get('digest')).toMatchObject({ lastRun: { outcome: 'succeeded' } })
    const runId = await web.trigger('digest')
    expect(probe.calls).toHaveLength(1)

    await cluster.start(workers('second'))
    await untilOver(web, runId)
    expect(probe.calls.map(({ on }) => on)).toEqual(['first', 'second'])
  })
})
