import { expect, it, vi } from 'vitest'
import { Session } from '../src/session.ts'
import { WorkerControl } from '../src/worker-control.ts'
import { HOUR_MS, TestCluster, listen, rarely, untilOver } from './fixtures/cluster.ts'
import { Probe } from './fixtures/probe.ts'
import { until } from './fixtures/until.ts'

vi.mock('../src/reconciler.ts', async (original) => ({ ...(await original<object>()), BEAT_MS: 100 }))

it('a worker that is removed while it is being added is not announced', async () => {
  await using cluster = await TestCluster.open()
  const probe = new Probe()
  const manager = await cluster.start([])
  const added = listen(manager, 'worker-added')
  const removed = listen(manager, 'worker-removed')
  const declared = Promise.withResolvers<void>()
  using _ = vi.spyOn(Session.prototype, 'declare').mockReturnValue(declared.promise)
  const adding = manager.add(probe.worker('late', rarely()))
  expect(await manager.remove('late')).toBe(true)
  declared.resolve()
  await adding
  expect(added).toEqual([])
  expect(removed).toEqual([{ worker: 'late' }])
  expect(await manager.list()).toEqual([])
})

it('a removal that a heartbeat sees before its call ends is told once, and spares what is added then', async () => {
  await using cluster = await TestCluster.open()
  const probe = new Probe()
  const manager = await cluster.start([probe.worker('digest', rarely())])
  const removed = listen(manager, 'worker-removed')
  // oxlint-disable-next-line typescript/unbound-method -- it is called with its control
  const { remove } = WorkerControl.prototype
  using _ = vi.spyOn(WorkerControl.prototype, 'remove').mockImplementation(async function (this: WorkerControl, name) {
    const isRemoved = await remove.call(this, name)
    await until('a heartbeat has seen it', () => removed.length > 0)
    await manager.add(probe.worker('digest', rarely()))
    return isRemoved
  })
  expect(await manager.remove('digest')).toBe(true)
  expect(removed).toEqual([{ worker: 'digest' }])
  await untilOver(manager, await manager.trigger('digest'))
  expect(probe.calls).toHaveLength(1)
})

it('a worker that was removed before the clock of Redis was set back is there once it is added again', async () => {
  await using cluster = await TestCluster.open()
  const probe = new Probe()
  const manager = await cluster.start([probe.worker('digest', rarely())])
  await manager.remove('digest')
  await cluster.redis.hset(cluster.key('workers'), 'removed:digest', `${Date.now() + HOUR_MS} ${crypto.randomUUID()}`)
  await manager.add(probe.worker('digest', rarely()))
  expect((await manager.list()).map(({ name, state }) => `${name} ${state}`)).toEqual(['digest idle'])
  expect(Object.keys(await cluster.storedSchedulers())).toEqual(['digest'])
})
