import { expect, it, vi } from 'vitest'
import { Session } from '../src/session.ts'
import { TestCluster, listen, rarely } from './fixtures/cluster.ts'
import { Probe } from './fixtures/probe.ts'

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
