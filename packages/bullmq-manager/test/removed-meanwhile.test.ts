import { expect, it } from 'vitest'
import { TestCluster, listen, rarely } from './fixtures/cluster.ts'
import { Probe } from './fixtures/probe.ts'
import { until } from './fixtures/until.ts'

it('a worker that is removed while it is being added is not announced', async () => {
  await using cluster = await TestCluster.open()
  const probe = new Probe()
  const manager = await cluster.start([])
  const added = listen(manager, 'worker-added')
  const removed = listen(manager, 'worker-removed')
  // Another instance writes, so the add waits.
  await cluster.redis.set(cluster.key('write-lock'), 'of another instance')
  const adding = manager.add(probe.worker('late', rarely()))
  await until('it is being added', async () =>
    (await cluster.redis.hvals(cluster.key('instances:names'))).some((names) => names.includes('late')),
  )
  expect(await manager.remove('late')).toBe(true)
  await adding
  expect(added).toEqual([])
  expect(removed).toEqual([{ worker: 'late' }])
  expect(await manager.list()).toEqual([])
})
