import { once } from 'node:events'
import { StoreUnavailableError, every, periodicWorker } from '@background-workers/abstractions'
import { describe, expect, it, vi } from 'vitest'
import { type LockedInstance, MINUTE_MS, slotId, startInstance } from './fixtures/locked-instance.ts'

describe('a lock that does not answer', () => {
  it('is asked again after 10 s; whichever answer comes first counts', async () => {
    const { clock, lock, runs, events, records } = await startInstance()
    lock.mode = 'silent'
    await clock.advance(10 * MINUTE_MS)
    await clock.advance(9_999)
    expect([lock.requests.length, events]).toEqual([1, []])
    await clock.advance(1_000)
    expect([lock.requests.length, events]).toEqual([2, ['lost']])
    lock.answer()
    await clock.settle()
    expect(runs).toEqual([slotId(10)])
    expect(await records()).toEqual(['catch-up succeeded'])
    expect(await lock.isFree('sweep')).toBe(true)
  })

  /** A call has not been answered for 10 s, and nobody waits for it any more. */
  async function untilTakenForLost({ clock, lock, manager }: LockedInstance) {
    lock.mode = 'silent'
    const triggered = expect(manager.trigger('sweep')).rejects.toBeInstanceOf(StoreUnavailableError)
    await clock.advance(10_000)
    await triggered
  }

  it('is looked for every 5 s, also when it does not answer that', async () => {
    const instance = await startInstance()
    const { clock, lock, manager, events } = instance
    const ping = vi.fn(() => (lock.mode === 'there' ? Promise.resolve() : new Promise<void>(() => {})))
    Object.assign(lock, { ping })
    await untilTakenForLost(instance)
    expect(events).toEqual(['lost'])
    await clock.advance(12_000)
    lock.mode = 'there'
    await clock.advance(3_000)
    expect([events, ping.mock.calls.length]).toEqual([['lost', 'restored after 15000 ms'], 3])
    expect((await manager.health()).status).toBe('ok')
  })

  it('is not waited for by a stop that comes 10 s later; a hold that comes afterwards is given back', async () => {
    const instance = await startInstance()
    const { clock, lock, manager } = instance
    await untilTakenForLost(instance)
    const isStopped = settles(manager.stop())
    await clock.settle()
    expect(isStopped()).toBe(true)
    lock.answer()
    await clock.settle()
    expect([lock.released.length, await lock.isFree('sweep')]).toEqual([1, true])
  })

  it('does not hold the guard for longer than the window of its slot', async () => {
    const { clock, lock, runs, records } = await startInstance()
    lock.mode = 'silent'
    await clock.advance(16 * MINUTE_MS)
    expect(await records()).toEqual(['scheduled missed late'])
    lock.answer()
    await clock.advance(4 * MINUTE_MS)
    expect(runs).toEqual([slotId(20)])
    expect(await lock.isFree('sweep')).toBe(true)
  })

  it.each<[string, (instance: LockedInstance) => Promise<unknown>, string[]]>([
    ['a pause', ({ manager }) => manager.pause('sweep'), ['scheduled skipped paused']],
    ['a cancel', ({ manager }) => manager.cancel(slotId(10)), ['scheduled aborted cancelled']],
    ['a stop', ({ manager, clock }) => Promise.all([manager.stop(), clock.advance(20_000)]), []],
  ])(
    'does not keep %s from ending the wait; a hold that comes afterwards is given back',
    async (_what, end, records) => {
      const instance = await startInstance()
      const { clock, lock, manager, runs } = instance
      lock.mode = 'silent'
      await clock.advance(10 * MINUTE_MS)
      await end(instance)
      expect(await instance.records()).toEqual(records)
      expect((await manager.get('sweep'))?.activeRun).toBeUndefined()
      lock.answer()
      await clock.settle()
      expect([runs, lock.released, await lock.isFree('sweep')]).toEqual([[], [slotId(10)], true])
    },
  )

  it('does not keep a removal from ending the wait', async () => {
    const { clock, lock, manager, worker, runs } = await startInstance()
    lock.mode = 'silent'
    await clock.advance(10 * MINUTE_MS)
    await manager.remove('sweep')
    await manager.add(worker)
    lock.answer()
    await clock.advance(10 * MINUTE_MS)
    expect(runs).toEqual([slotId(20)])
  })

  it('is waited for by a stop: a slot that it has claimed runs, for no other instance takes it', async () => {
    const { clock, lock, manager, runs } = await startInstance()
    lock.mode = 'silent'
    await clock.advance(10 * MINUTE_MS)
    const stopped = manager.stop()
    const isStopped = settles(stopped)
    await clock.advance(999)
    expect(isStopped()).toBe(false)
    lock.answer()
    expect(await stopped).toEqual({ finished: 1, abandoned: [] })
    expect([runs, lock.released]).toEqual([[slotId(10)], [slotId(10)]])
  })

  it('is waited for by a stop, and no slot that waits for its jitter meanwhile', async () => {
    const { clock, lock, manager, worker, runs } = await startInstance()
    const doWork = vi.fn()
    await manager.add(
      periodicWorker({ name: 'jittered', schedule: worker.schedule, policy: { jitterMs: 900 }, doWork }),
    )
    lock.mode = 'silent'
    await clock.advance(10 * MINUTE_MS)
    const stopped = manager.stop()
    await clock.advance(950)
    lock.answer()
    await stopped
    expect([runs, doWork.mock.calls.length]).toEqual([[slotId(10)], 0])
  })

  it('is waited for by a stop, and no worker whose own start resolves meanwhile runs at the start', async () => {
    const { clock, lock, manager, worker, runs } = await startInstance()
    const started = Promise.withResolvers<void>()
    const doWork = vi.fn()
    const slow = periodicWorker({ name: 'slow', schedule: worker.schedule, policy: { runOnStart: true }, doWork })
    await manager.add(Object.assign(slow, { start: () => started.promise }))
    lock.mode = 'silent'
    await clock.advance(10 * MINUTE_MS)
    const stopped = manager.stop()
    await clock.settle()
    lock.mode = 'there'
    started.resolve()
    await clock.settle()
    lock.answer()
    expect(await stopped).toEqual({ finished: 1, abandoned: [] })
    expect([runs, doWork.mock.calls.length, await manager.runs('slow')]).toEqual([[slotId(10)], 0, []])
  })

  it('gives a run to a stop that is not repeated, as no run is then', async () => {
    const doWork = vi.fn(() => Promise.reject(new Error('The disk is full.')))
    const { clock, lock, manager, records } = await startInstance({
      doWork,
      policy: { retry: { attempts: 3, backoffMs: 1_000 } },
    })
    lock.mode = 'silent'
    await clock.advance(10 * MINUTE_MS)
    const stopped = manager.stop()
    lock.answer()
    await clock.advance(MINUTE_MS)
    expect(await stopped).toEqual({ finished: 1, abandoned: [] })
    expect([doWork.mock.calls.length, await records()]).toEqual([1, ['scheduled failed']])
  })

  it('is waited for by a stop for a while longer, so that no lock is left behind', async () => {
    const { clock, lock, manager, runs } = await startInstance()
    lock.mode = 'silent'
    await clock.advance(10 * MINUTE_MS)
    const stopped = manager.stop()
    const isStopped = settles(stopped)
    await clock.advance(1_000)
    expect(isStopped()).toBe(false)
    lock.answer()
    expect(await stopped).toEqual({ finished: 0, abandoned: [] })
    expect([runs, lock.released]).toEqual([[], [slotId(10)]])
  })

  it('is not waited for beyond the deadline of a stop, and what it gives later is given back', async () => {
    const { clock, lock, manager } = await startInstance()
    lock.mode = 'silent'
    await clock.advance(10 * MINUTE_MS)
    const isStopped = settles(manager.stop({ timeoutMs: 2_000 }))
    await clock.advance(1_999)
    expect(isStopped()).toBe(false)
    await clock.advance(1)
    expect(isStopped()).toBe(true)
    lock.answer()
    await clock.settle()
    expect(lock.released).toEqual([slotId(10)])
  })

  it.each<[string, (signal: AbortSignal) => Promise<unknown>]>([
    ['a run that heeds its abort', (signal) => once(signal, 'abort')],
    ['a run that does not', () => new Promise(() => {})],
  ])('is waited for by a stop for at most 1 s after its deadline, with %s', async (_, doWork) => {
    const { clock, lock, manager } = await startInstance({ doWork: ({ signal }) => doWork(signal) })
    await manager.add(periodicWorker({ name: 'purge', schedule: every('1m', { offset: 0 }), async doWork() {} }))
    await clock.advance(10 * MINUTE_MS)
    lock.mode = 'silent'
    await clock.advance(MINUTE_MS)
    const isStopped = settles(manager.stop({ timeoutMs: 2_000 }))
    await clock.advance(2_999)
    expect(isStopped()).toBe(false)
    await clock.advance(1)
    expect(isStopped()).toBe(true)
    expect(lock.requests.at(-1)?.worker).toBe('purge')
  })
})

/** Gives whether it has settled. */
function settles(promise: Promise<unknown>): () => boolean {
  let isSettled = false
  void promise.then(() => {
    isSettled = true
  })
  return () => isSettled
}
