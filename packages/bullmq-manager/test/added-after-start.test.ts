import { every } from '@background-workers/abstractions'
import { expect, it, vi } from 'vitest'
import { TestCluster, decidedSlots, slotsFrom, untilRecords } from './fixtures/cluster.ts'
import { Probe } from './fixtures/probe.ts'
import { passed, until } from './fixtures/until.ts'

// So that there are heartbeats between the start and the add.
vi.mock('../src/reconciler.ts', async (original) => ({ ...(await original<object>()), BEAT_MS: 100 }))

it('a worker that is added a little after the start keeps its overdue slots', async () => {
  await using cluster = await TestCluster.open()
  const probe = new Probe()
  const before = await cluster.start([probe.worker('late', every('2s'))])
  await until('it runs', () => probe.calls.length > 0)
  await before.stop()
  const calls = probe.calls.length
  await passed(Date.now() + 4_100)

  const after = await cluster.start([])
  await passed(Date.now() + 500)
  await after.add(probe.worker('late', every('2s')))

  await until('it runs', () => probe.calls.length > calls)
  await untilRecords(after, 'late', (records) => records.some(({ missedSlots }) => missedSlots))
  const slots = await decidedSlots(cluster, after, 'late', 2_000)
  expect(slots).toEqual(slotsFrom(slots[0] as number, slots.length, 2_000))
})
