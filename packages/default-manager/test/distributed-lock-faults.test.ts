import { getEventListeners, once } from 'node:events'
import { type LockHold, StoreUnavailableError, every, periodicWorker } from '@background-workers/abstractions'
import { describe, expect, it, vi } from 'vitest'
import { type LockedInstance, MINUTE_MS, slotId, startInstance } from './fixtures/locked-instance.ts'

describe('while the lock can not be reached', () => {
  it('a slot waits and runs when it is back, and one line each says so', async () => {
    const { clock, lock, logger, manager, runs, events } = await startInstance()
    lock.mode = 'away'
    await clock.advance(10 * MINUTE_MS)
    expect((await manager.get('sweep'))?.activeRun?.runId).toBe(slotId(10))
    await clock.advance(MINUTE_MS)
    expect(await manager.health()).toEqual({
      status: 'unhealthy',
      reasons: [
        { code: 'store-lost', message: 'The distributed lock can not be reached, so nothing runs: Redis is away.' },
      ],
    })
    expect(runs).toEqual([])
    expect(lock.requests.length).toBeGreaterThan(10)
    lock.mode = 'there'
    await clock.advance(5_000)
    expect(runs).toEqual([slotId(10)])
    const [record] = await manager.runs('sweep')
    expect([record?.kind, record?.outcome]).toEqual(['catch-up', 'succeeded'])
    expect(record?.lateByMs).toBeGreaterThan(MINUTE_MS)
    expect((await manager.health()).status).toBe('ok')
    expect(events).toEqual(['lost', expect.stringMatching(/^restored after 6\d{4} ms$/)])
    const said = logger.lines.filter(({ message }) => message?.includes('distributed lock'))
    expect(said.map(({ level, message }) => [level, message])).toEqual([
      ['error', 'the distributed lock can not be reached, slots wait for it'],
      ['info', 'the distributed lock is back'],
    ])
  })

  it('a slot is missed when its window is over, and the next one runs', async () => {
    const { clock, lock, manager, runs, records } = await startInstance()
    lock.mode = 'away'
    await clock.advance(10 * MINUTE_MS)
    await clock.advance(5 * MINUTE_MS)
    expect(await records()).toEqual([])
    await clock.advance(1)
    expect(await records()).toEqual(['scheduled missed late'])
    expect((await manager.runs('sweep'))[0]?.lateByMs).toBe(5 * MINUTE_MS + 1)
    expect((await manager.get('sweep'))?.activeRun).toBeUndefined()
    lock.mode = 'there'
    await clock.advance(5 * MINUTE_MS)
    expect(runs).toEqual([slotId(20)])
  })

  it('a slot whose window passes while the machine sleeps is missed within a minute of waking', async () => {
    const { clock, lock, manager, records } = await startInstance()
    lock.mode = 'away'
    await clock.advance(11 * MINUTE_MS)
    clock.sleep(5 * MINUTE_MS)
    await clock.advance(MINUTE_MS)
    expect(await records()).toEqual(['scheduled missed late'])
    expect((await manager.get('sweep'))?.activeRun).toBeUndefined()
  })

  it('a slot whose window passes while the machine sleeps does not block the next one', async () => {
    const { clock, lock, manager, runs, records } = await startInstance()
    lock.mode = 'away'
    await clock.advance(11 * MINUTE_MS)
    clock.sleep(10 * MINUTE_MS)
    // It looks at the timetable, before any timer of the wait has fired.
    await manager.health()
    expect((await manager.get('sweep'))?.activeRun?.runId).toBe(slotId(20))
    expect(await records()).toEqual(['scheduled missed late'])
    lock.mode = 'there'
    await clock.advance(5_000)
    expect(runs).toEqual([slotId(20)])
  })

  it('a slot waits no longer than for its window when the clock is set back', async () => {
    const { clock, lock, records } = await startInstance()
    lock.mode = 'away'
    await clock.advance(11 * MINUTE_MS)
    clock.step(-3 * MINUTE_MS)
    await clock.advance(4 * MINUTE_MS)
    expect(await records()).toEqual([])
    await clock.advance(1)
    expect(await records()).toEqual(['scheduled missed late'])
  })

  it('a run at the start waits for as long as a slot', async () => {
    const { clock, lock, manager, runs, records } = await startInstance({ policy: { runOnStart: true } })
    await clock.settle()
    await manager.stop()
    lock.mode = 'away'
    await manager.start()
    await clock.advance(MINUTE_MS)
    lock.mode = 'there'
    await clock.advance(5_000)
    expect(runs).toHaveLength(2)
    await manager.stop()
    lock.mode = 'away'
    await manager.start()
    await clock.advance(6 * MINUTE_MS)
    expect(runs).toHaveLength(2)
    expect((await records())[0]).toBe('start missed late')
  })

  it('it is looked for every 5 s where it can be, so that it is back before a slot asks', async () => {
    const { clock, lock, manager, events } = await startInstance()
    const ping = vi.fn(async () => {
      if (lock.mode === 'away') throw new StoreUnavailableError('Redis is away.')
    })
    Object.assign(lock, { ping })
    lock.mode = 'away'
    // However many calls fail, one looks for it.
    await expect(manager.trigger('sweep')).rejects.toBeInstanceOf(StoreUnavailableError)
    await expect(manager.trigger('sweep')).rejects.toBeInstanceOf(StoreUnavailableError)
    await clock.advance(12_000)
    expect([events, ping.mock.calls.length]).toEqual([['lost'], 2])
    lock.mode = 'there'
    await clock.advance(3_000)
    expect(events).toEqual(['lost', 'restored after 15000 ms'])
    expect((await manager.health()).status).toBe('ok')
    await clock.advance(MINUTE_MS)
    expect(ping).toHaveBeenCalledTimes(3)
  })

  it('a stop ends the looking', async () => {
    const { clock, lock, manager } = await startInstance()
    const ping = vi.fn(async () => {})
    Object.assign(lock, { ping })
    lock.mode = 'away'
    await expect(manager.trigger('sweep')).rejects.toBeInstanceOf(StoreUnavailableError)
    await manager.stop()
    await clock.advance(MINUTE_MS)
    expect(ping).not.toHaveBeenCalled()
  })

  describe('and takes longer to fail than its slots may wait', () => {
    async function startSlowToFail(failsAfterMs: number) {
      const instance = await startInstance({ policy: { misfire: 'skip' } })
      const { clock, lock } = instance
      const fail = () =>
        new Promise<never>((_resolve, reject) => {
          clock.setTimer(() => reject(new StoreUnavailableError('Redis is away.')), failsAfterMs)
        })
      const acquire = vi.spyOn(lock, 'acquire').mockImplementation(fail)
      await clock.advance(10 * MINUTE_MS + 2_000)
      expect(await instance.records()).toEqual(['scheduled missed late'])
      acquire.mockRestore()
      return instance
    }

    it('that is told, and that it is back', async () => {
      const { clock, manager, events } = await startSlowToFail(5_000)
      await clock.advance(3_000)
      expect(events).toEqual(['lost'])
      expect((await manager.health()).reasons.map(({ code }) => code)).toEqual(['store-lost'])
      await clock.advance(10 * MINUTE_MS)
      expect(events).toEqual(['lost', expect.stringMatching('restored')])
      expect((await manager.health()).status).toBe('ok')
    })

    it('a failure says nothing when the lock has answered a later call', async () => {
      const { clock, manager, events } = await startSlowToFail(5_000)
      await manager.trigger('sweep')
      await clock.advance(MINUTE_MS)
      expect(events).toEqual([])
    })

    it('a failure says nothing after a stop', async () => {
      const { clock, manager, events } = await startSlowToFail(30_000)
      await Promise.all([manager.stop(), clock.advance(20_000)])
      await clock.advance(MINUTE_MS)
      expect(events).toEqual([])
      expect((await manager.health()).reasons.map(({ code }) => code)).toEqual(['not-running'])
    })
  })

  it('nothing says so after a stop', async () => {
    const { clock, lock, manager } = await startInstance()
    lock.mode = 'away'
    await clock.advance(10 * MINUTE_MS)
    await manager.stop()
    expect((await manager.health()).reasons.map(({ code }) => code)).toEqual(['not-running'])
    expect(clock.timerCount).toBe(0)
  })
})

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

describe('a lock that is broken', () => {
  it.each<[string, () => unknown]>([
    ['gives nothing', () => undefined],
    ['gives something else', () => ({ kind: 'maybe' })],
    ['gives a hold without a signal', () => ({ kind: 'held', release: async () => {} })],
    [
      'throws at once',
      () => {
        throw new Error('broken')
      },
    ],
  ])('runs nothing when it %s', async (_what, acquire) => {
    const { clock, lock, manager, runs, records } = await startInstance()
    vi.spyOn(lock, 'acquire').mockImplementation(acquire as never)
    await clock.advance(16 * MINUTE_MS)
    expect([runs, await records()]).toEqual([[], ['scheduled missed late']])
    expect((await manager.health()).reasons.map(({ code }) => code)).toEqual(['store-lost'])
  })

  it('runs nothing with a hold that is lost already, and asks again', async () => {
    const { clock, lock, runs } = await startInstance()
    const release = vi.fn(async () => {})
    const lost: LockHold = { kind: 'held', signal: AbortSignal.abort(new Error('late')), release }
    vi.spyOn(lock, 'acquire').mockResolvedValueOnce(lost)
    await clock.advance(10 * MINUTE_MS)
    expect([runs, release.mock.calls.length]).toEqual([[], 1])
    await clock.advance(1_000)
    expect(runs).toEqual([slotId(10)])
  })

  it('that tells a loss of all its holds by one signal has no listener left on it after a run', async () => {
    const { clock, lock, runs } = await startInstance()
    const { signal } = new AbortController()
    vi.spyOn(lock, 'acquire').mockResolvedValue({ kind: 'held', signal, release: async () => {} })
    await clock.advance(30 * MINUTE_MS)
    expect(runs).toHaveLength(3)
    expect(getEventListeners(signal, 'abort')).toEqual([])
  })

  it('is logged when it can not take a lock back, and the worker goes on', async () => {
    const { clock, lock, logger, runs } = await startInstance()
    const failing = {
      kind: 'held' as const,
      signal: new AbortController().signal,
      release: () => Promise.reject(new Error('no')),
    }
    vi.spyOn(lock, 'acquire').mockResolvedValueOnce(failing)
    await clock.advance(20 * MINUTE_MS)
    expect(runs).toEqual([slotId(10), slotId(20)])
    expect(logger.linesOf('a lock could not be released, it is held until it expires')).toHaveLength(1)
  })
})
