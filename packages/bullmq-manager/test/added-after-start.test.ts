import { StoreUnavailableError, every } from '@background-workers/abstractions'
import { describe, expect, it, vi } from 'vitest'
import { Session } from '../src/session.ts'
import { TestCluster, decidedSlots, rarely, slotsFrom, untilOver, untilRecords } from './fixtures/cluster.ts'
import { FaultLogger } from './fixtures/fault-logger.ts'
import type { Test } from './fixtures/fault-manager.ts'
import { losingRedis } from './fixtures/losing-redis.ts'
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
  using held = holdAdds(onTestFinished)
  const logger = new FaultLogger()
  const probe = new Probe()
  const asking = await cluster.start([], { queues: [] })
  const manager = await cluster.start([], { logger })
  const adding = manager.add(probe.worker('late', rarely()))
  await held.declared

  const runId = await asking.trigger('late')
  await until('it has come and is put off', () => cluster.queue('runs.default').getDelayedCount())
  expect(logger.count('where it was not added')).toBe(0)
  expect((await manager.health()).reasons.filter(({ code }) => code === 'no-handler')).toEqual([])
  held.gate.resolve()
  await adding
  expect(await untilOver(manager, runId)).toMatchObject({ outcome: 'succeeded' })
})

describe('a worker whose add outlasts a stop and another start', () => {
  const ends = {
    'goes well after all': (gate: PromiseWithResolvers<void>) => gate.resolve(),
    fails: (gate: PromiseWithResolvers<void>) => gate.reject(new StoreUnavailableError('cut off by the stop')),
  }
  for (const [how, end] of Object.entries(ends)) {
    it(`is started once, and stopped, when the add ${how}`, async ({ onTestFinished }) => {
      await using cluster = await TestCluster.open()
      using held = holdAdds(onTestFinished)
      const manager = await cluster.start([])
      const told: string[] = []
      const start = async () => void told.push('start')
      const stop = async () => void told.push('stop')
      const adding = manager.add(Object.assign(new Probe().worker('late', rarely()), { start, stop }))
      await held.declared
      await manager.stop()
      await manager.start()
      end(held.gate)
      await adding
      expect((await manager.list()).map(({ name }) => name)).toEqual(['late'])
      await manager.stop()
      expect(told).toEqual(['start', 'stop'])
    })
  }

  it('is left to that start when it is not done', async (test) => {
    const { redis, target, hold } = await losingRedis(test)
    await using cluster = await TestCluster.open(target.url)
    using held = holdAdds(test.onTestFinished)
    const manager = cluster.instance({ connection: redis })
    await manager.start()
    const start = vi.fn(async () => {})
    const adding = manager.add(Object.assign(new Probe().worker('late', rarely()), { start }))
    await held.declared
    await manager.stop()
    const answer = hold((command) => command.includes(':instances:names'))
    const starting = manager.start()
    const release = await answer
    test.onTestFinished(release)
    held.gate.resolve()
    await adding
    expect(start).not.toHaveBeenCalled()
    release()
    await starting
    expect(start).toHaveBeenCalledOnce()
  })
})

/** Holds the first add back when its worker has been declared, until the gate opens. */
function holdAdds(onTestFinished: Test['onTestFinished']) {
  // oxlint-disable-next-line typescript/unbound-method -- it is called with its session
  const { declare } = Session.prototype
  const declared = Promise.withResolvers<void>()
  const gate = Promise.withResolvers<void>()
  onTestFinished(() => gate.resolve())
  const spy = vi.spyOn(Session.prototype, 'declare').mockImplementation(async function (this: Session) {
    await declare.call(this)
    declared.resolve()
    await gate.promise
  })
  return { declared: declared.promise, gate, [Symbol.dispose]: () => spy.mockRestore() }
}
