import { getEventListeners } from 'node:events'
import { type LockHold, StoreUnavailableError } from '@background-workers/abstractions'
import { describe, expect, it, vi } from 'vitest'
import { MINUTE_MS, slotId, startInstance } from './fixtures/locked-instance.ts'

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

  it('a run at the start waits no less for a slot that comes at once', async () => {
    const { clock, lock, manager, runs, records } = await startInstance({ policy: { runOnStart: true } })
    await clock.settle()
    await manager.stop()
    await clock.advance(10 * MINUTE_MS - 4)
    lock.mode = 'silent'
    await manager.start()
    await clock.advance(20)
    lock.answer()
    await clock.settle()
    expect(runs).toHaveLength(2)
    expect(await records()).toContain('start succeeded')
    expect(await records()).not.toContain('start missed late')
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
