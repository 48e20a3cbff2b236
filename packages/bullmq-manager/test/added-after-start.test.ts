import { every } from '@background-workers/abstractions'
import { expect, it, vi } from 'vitest'
import { Session } from '../src/session.ts'
import { TestCluster, decidedSlots, rarely, slotsFrom, untilOver, untilRecords } from './fixtures/cluster.ts'
import { FaultLogger } from './fixtures/fault-logger.ts'
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

it('a run that comes while its worker is still being added waits for it', async ({ onTestFinished }) => {
  await using cluster = await TestCluster.open()
  // oxlint-disable-next-line typescript/unbound-method -- it is called with its session
  const { declare } = Session.prototype
  const declared = Promise.withResolvers<void>()
  const gate = Promise.withResolvers<void>()
  onTestFinished(() => gate.resolve())
  using _ = vi.spyOn(Session.prototype, 'declare').mockImplementation(async function (this: Session) {
    await declare.call(this)
    declared.resolve()
    await gate.promise
  })
  const logger = new FaultLogger()
  const probe = new Probe()
  const asking = await cluster.start([], { queues: [] })
  const manager = await cluster.start([], { logger })
  const adding = manager.add(probe.worker('late', rarely()))
  await declared.promise

  const runId = await asking.trigger('late')
  await until('it has come and is put off', () => cluster.queue('runs.default').getDelayedCount())
  expect(logger.count('where it was not added')).toBe(0)
  expect((await manager.health()).reasons.filter(({ code }) => code === 'no-handler')).toEqual([])
  gate.resolve()
  await adding
  expect(await untilOver(manager, runId)).toMatchObject({ outcome: 'succeeded' })
})
