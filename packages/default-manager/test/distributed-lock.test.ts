import { getEventListeners } from 'node:events'
import {
  type IDistributedLock,
  LeaseLostError,
  type LockHold,
  ManagerStoppedError,
  type PeriodicBackgroundWorkerContext,
  type PeriodicWorkerPolicy,
  RunCancelledError,
  StoreUnavailableError,
  UnknownWorkerError,
  WorkerBusyError,
  every,
  periodicWorker,
} from '@background-workers/abstractions'
import { ManualClock, RecordingLogger } from '@background-workers/abstractions/testing'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { DefaultBackgroundWorkerManager } from '../src/default-background-worker-manager.ts'
import { FaultLock } from './fixtures/fault-lock.ts'

const MINUTE = 60_000

const stops: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop()
})

interface Parts {
  readonly policy?: PeriodicWorkerPolicy
  readonly doWork?: (context: PeriodicBackgroundWorkerContext) => unknown
}

/** One instance with one worker, `sweep`, every ten minutes from the full hour. */
async function startInstance({ policy = {}, doWork = () => {} }: Parts = {}) {
  const clock = new ManualClock()
  const lock = new FaultLock({ clock })
  const logger = new RecordingLogger()
  const manager = new DefaultBackgroundWorkerManager({ clock, logger, distributedLock: lock })
  const runs: string[] = []
  const worker = periodicWorker({
    name: 'sweep',
    schedule: every('10m', { offset: 0 }),
    policy,
    async doWork(context) {
      runs.push(context.runId)
      await doWork(context)
    },
  })
  await manager.add(worker)
  const events: string[] = []
  manager.on('store-lost', () => events.push('lost'))
  manager.on('store-restored', ({ downMs }) => events.push(`restored after ${downMs} ms`))
  await manager.start()
  stops.push(async () => {
    lock.answer()
    await Promise.all([manager.stop({ timeoutMs: 0 }), clock.advance(20_000)])
    expect(clock.timerCount).toBe(0)
  })
  const records = async () =>
    (await manager.runs('sweep')).map(({ kind, outcome, reason, blockedBy }) =>
      [kind, outcome, reason, blockedBy].filter(Boolean).join(' '),
    )
  return { clock, lock, logger, manager, worker, runs, records, events }
}

const slotId = (minutes: number) => `sweep.${Date.UTC(2026, 0, 1, 0, minutes)}`

describe('a run with a lock', () => {
  it('holds the lock of its worker until doWork has settled, and has claimed its slot', async () => {
    const gate = Promise.withResolvers<void>()
    const { clock, lock, runs } = await startInstance({ doWork: () => gate.promise })
    await clock.advance(10 * MINUTE)
    expect(runs).toEqual([slotId(10)])
    // Half the gap to the next slot.
    const slot = { dueAt: clock.now(), startableForMs: 5 * MINUTE }
    expect(lock.requests).toEqual([{ worker: 'sweep', runId: slotId(10), slot }])
    expect(await lock.isFree('sweep')).toBe(false)
    gate.resolve()
    await clock.settle()
    expect(lock.released).toEqual([slotId(10)])
    expect(await lock.isFree('sweep')).toBe(true)
  })

  it('claims a slot for as long as its policy lets it start, the jitter included', async () => {
    const { clock, lock } = await startInstance({ policy: { jitterMs: MINUTE, catchUpWindowMs: 7 * MINUTE } })
    await clock.advance(12 * MINUTE)
    const { slot } = lock.requests[0] ?? {}
    expect(slot?.startableForMs).toBeGreaterThanOrEqual(7 * MINUTE)
    expect(slot?.startableForMs).toBeLessThanOrEqual(8 * MINUTE)
  })

  it('keeps the lock when a stop gives it up, until it settles', async () => {
    const gate = Promise.withResolvers<void>()
    const { clock, lock, manager } = await startInstance({ doWork: () => gate.promise })
    await clock.advance(10 * MINUTE)
    const stopped = manager.stop({ timeoutMs: 1_000 })
    await clock.advance(2_000)
    expect((await stopped).abandoned).toEqual([{ worker: 'sweep', runId: slotId(10) }])
    expect(lock.released).toEqual([])
    gate.resolve()
    await clock.settle()
    expect(lock.released).toEqual([slotId(10)])
  })

  it('is aborted when the lock is lost, keeps its guard until it settles, and then gives the lock back', async () => {
    const gate = Promise.withResolvers<void>()
    const signals: AbortSignal[] = []
    const { clock, lock, manager, records } = await startInstance({
      doWork: ({ signal }) => {
        signals.push(signal)
        return gate.promise
      },
    })
    await clock.advance(10 * MINUTE)
    lock.store.lose('sweep')
    expect(signals[0]?.reason).toBeInstanceOf(LeaseLostError)
    expect(await records()).toEqual(['scheduled aborted lease-lost'])
    await expect(manager.trigger('sweep')).rejects.toThrow(WorkerBusyError)
    expect(lock.released).toEqual([])
    gate.resolve()
    await clock.settle()
    expect(lock.released).toEqual([slotId(10)])
    await clock.advance(10 * MINUTE)
    expect((await records())[0]).toBe('scheduled succeeded')
  })

  it('tells a loss as a LeaseLostError whatever the lock says', async () => {
    const clock = new ManualClock()
    const controller = new AbortController()
    const lock: IDistributedLock = {
      acquire: async () => ({ kind: 'held', signal: controller.signal, release: async () => {} }),
    }
    const manager = new DefaultBackgroundWorkerManager({ clock, distributedLock: lock })
    stops.push(() => manager.stop())
    let reason: unknown
    const doWork = ({ signal }: PeriodicBackgroundWorkerContext) =>
      new Promise<void>((resolve) => {
        signal.addEventListener('abort', () => {
          reason = signal.reason
          resolve()
        })
      })
    await manager.add(periodicWorker({ name: 'sweep', schedule: every('10m', { offset: 0 }), doWork }))
    await manager.start()
    await clock.advance(10 * MINUTE)
    const cause = new Error('gone')
    controller.abort(cause)
    expect(reason).toBeInstanceOf(LeaseLostError)
    expect(reason).toMatchObject({ cause })
  })
})

describe('a worker that is locked elsewhere', () => {
  it('has its slot skipped as held-elsewhere, with the run that holds it, logged for those who debug', async () => {
    const { clock, lock, logger, runs, records } = await startInstance()
    await lock.store.acquire({ worker: 'sweep', runId: 'sweep.m-elsewhere' })
    await clock.advance(10 * MINUTE)
    expect(runs).toEqual([])
    expect(await records()).toEqual(['scheduled skipped held-elsewhere sweep.m-elsewhere'])
    expect(logger.linesOf('slot skipped').map(({ level }) => level)).toEqual(['debug'])
  })

  it('has its slot skipped when that was claimed before', async () => {
    const { clock, lock, runs, records } = await startInstance()
    const dueAt = clock.now() + 10 * MINUTE
    const other = await lock.store.acquire({
      worker: 'sweep',
      runId: slotId(10),
      slot: { dueAt, startableForMs: MINUTE },
    })
    if (other.kind === 'held') await other.release()
    await clock.advance(10 * MINUTE)
    expect(await records()).toEqual(['scheduled skipped held-elsewhere'])
    await clock.advance(10 * MINUTE)
    expect(runs).toEqual([slotId(20)])
  })

  it('refuses a trigger with the run that holds it, and leaves no record', async () => {
    const { lock, manager, records } = await startInstance()
    await lock.store.acquire({ worker: 'sweep', runId: 'sweep.m-elsewhere' })
    const error = await manager.trigger('sweep').catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(WorkerBusyError)
    expect(error).toMatchObject({ activeRunId: 'sweep.m-elsewhere' })
    expect(await records()).toEqual([])
  })

  it('refuses a trigger also where the lock can not tell which run holds it', async () => {
    const { lock, manager } = await startInstance()
    vi.spyOn(lock, 'acquire').mockResolvedValue({ kind: 'refused' })
    const error = await manager.trigger('sweep').catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'worker-busy', activeRunId: undefined })
    expect((error as Error).message).toContain('is busy with a run of another instance')
  })

  it('has its run at the start skipped', async () => {
    const { clock, lock, manager, runs, records } = await startInstance({ policy: { runOnStart: true } })
    await clock.settle()
    expect(runs).toHaveLength(1)
    await manager.stop()
    await lock.store.acquire({ worker: 'sweep', runId: 'sweep.m-elsewhere' })
    await manager.start()
    await clock.settle()
    expect(runs).toHaveLength(1)
    expect((await records())[0]).toBe('start skipped held-elsewhere sweep.m-elsewhere')
  })
})

describe('a trigger with a lock', () => {
  it('takes the lock and claims no slot', async () => {
    const { clock, lock, manager, records } = await startInstance()
    const runId = await manager.trigger('sweep')
    expect(lock.requests).toEqual([{ worker: 'sweep', runId }])
    await clock.settle()
    expect([await records(), lock.released]).toEqual([['manual succeeded'], [runId]])
    await clock.advance(10 * MINUTE)
    expect((await records())[0]).toBe('scheduled succeeded')
  })

  it('is accepted once it has the lock, and counts as active until then', async () => {
    const { clock, lock, manager, runs, records } = await startInstance()
    lock.mode = 'silent'
    const accepted = manager.trigger('sweep', { by: 'me' })
    const { activeRun, state } = (await manager.get('sweep')) ?? {}
    expect(activeRun).toMatchObject({ kind: 'manual', by: 'me', attempts: 0 })
    expect([state, activeRun?.startedAt]).toEqual(['running', undefined])
    await expect(manager.trigger('sweep')).rejects.toMatchObject({ activeRunId: activeRun?.runId })
    expect(await records()).toEqual([])
    lock.answer()
    expect(await accepted).toBe(activeRun?.runId)
    await clock.settle()
    expect([runs, await records()]).toEqual([[activeRun?.runId], ['manual succeeded']])
  })

  it('goes on waiting when the worker is paused meanwhile', async () => {
    const { lock, manager, runs } = await startInstance()
    lock.mode = 'silent'
    const accepted = manager.trigger('sweep')
    await manager.pause('sweep')
    lock.answer()
    expect(runs).toEqual([])
    expect([await accepted]).toEqual(runs)
  })

  it.each<
    [
      string,
      (instance: Awaited<ReturnType<typeof startInstance>>) => Promise<unknown>,
      new (...parts: never[]) => Error,
    ]
  >([
    [
      'is cancelled',
      async ({ manager }) => manager.cancel((await manager.get('sweep'))?.activeRun?.runId as string),
      RunCancelledError,
    ],
    ['meets a stop', ({ manager, clock }) => Promise.all([manager.stop(), clock.advance(20_000)]), ManagerStoppedError],
    ['loses its worker', ({ manager }) => manager.remove('sweep'), UnknownWorkerError],
  ])('is refused when it %s while it waits; a hold that comes afterwards is given back', async (_what, end, error) => {
    const instance = await startInstance()
    const { lock, manager, clock, runs } = instance
    lock.mode = 'silent'
    const refused = expect(manager.trigger('sweep')).rejects.toBeInstanceOf(error)
    await end(instance)
    await refused
    lock.answer()
    await clock.settle()
    expect([runs, lock.released.length, await lock.isFree('sweep')]).toEqual([[], 1, true])
  })

  it('leaves no record when it is cancelled while it waits', async () => {
    const { lock, manager, records } = await startInstance()
    lock.mode = 'silent'
    const refused = expect(manager.trigger('sweep')).rejects.toBeInstanceOf(RunCancelledError)
    expect(await manager.cancel((await manager.get('sweep'))?.activeRun?.runId as string)).toBe(true)
    await refused
    expect(await records()).toEqual([])
  })

  it('is refused while the lock can not be reached, and is not repeated', async () => {
    const { clock, lock, manager, records, runs } = await startInstance()
    lock.mode = 'away'
    const error = await manager.trigger('sweep').catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(StoreUnavailableError)
    expect(error).toMatchObject({ cause: { message: 'Redis is away.' } })
    lock.answer()
    await clock.advance(MINUTE)
    expect([runs, lock.requests.length, await records()]).toEqual([[], 1, []])
  })

  it('is refused when the lock does not answer', async () => {
    const { clock, lock, manager } = await startInstance()
    lock.mode = 'silent'
    const refused = expect(manager.trigger('sweep')).rejects.toBeInstanceOf(StoreUnavailableError)
    await clock.advance(10_000)
    await refused
    lock.answer()
    await clock.settle()
    expect(await lock.isFree('sweep')).toBe(true)
  })
})

describe('while the lock can not be reached', () => {
  it('a slot waits and runs when it is back, and one line each says so', async () => {
    const { clock, lock, logger, manager, runs, events } = await startInstance()
    lock.mode = 'away'
    await clock.advance(10 * MINUTE)
    expect((await manager.get('sweep'))?.activeRun?.runId).toBe(slotId(10))
    await clock.advance(MINUTE)
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
    expect(record?.lateByMs).toBeGreaterThan(MINUTE)
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
    await clock.advance(10 * MINUTE)
    await clock.advance(5 * MINUTE)
    expect(await records()).toEqual([])
    await clock.advance(1)
    expect(await records()).toEqual(['scheduled missed late'])
    expect((await manager.runs('sweep'))[0]?.lateByMs).toBe(5 * MINUTE + 1)
    expect((await manager.get('sweep'))?.activeRun).toBeUndefined()
    lock.mode = 'there'
    await clock.advance(5 * MINUTE)
    expect(runs).toEqual([slotId(20)])
  })

  it('a run at the start waits for as long as a slot', async () => {
    const { clock, lock, manager, runs, records } = await startInstance({ policy: { runOnStart: true } })
    await clock.settle()
    await manager.stop()
    lock.mode = 'away'
    await manager.start()
    await clock.advance(MINUTE)
    lock.mode = 'there'
    await clock.advance(5_000)
    expect(runs).toHaveLength(2)
    await manager.stop()
    lock.mode = 'away'
    await manager.start()
    await clock.advance(6 * MINUTE)
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
    await expect(manager.trigger('sweep')).rejects.toBeInstanceOf(StoreUnavailableError)
    await clock.advance(12_000)
    expect([events, ping.mock.calls.length]).toEqual([['lost'], 2])
    lock.mode = 'there'
    await clock.advance(3_000)
    expect(events).toEqual(['lost', 'restored after 15000 ms'])
    expect((await manager.health()).status).toBe('ok')
    await clock.advance(MINUTE)
    expect(ping).toHaveBeenCalledTimes(3)
  })

  it('a stop ends the looking', async () => {
    const { clock, lock, manager } = await startInstance()
    const ping = vi.fn(async () => {})
    Object.assign(lock, { ping })
    lock.mode = 'away'
    await expect(manager.trigger('sweep')).rejects.toBeInstanceOf(StoreUnavailableError)
    await manager.stop()
    await clock.advance(MINUTE)
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
      await clock.advance(10 * MINUTE + 2_000)
      expect(await instance.records()).toEqual(['scheduled missed late'])
      acquire.mockRestore()
      return instance
    }

    it('that is told, and that it is back', async () => {
      const { clock, manager, events } = await startSlowToFail(5_000)
      await clock.advance(3_000)
      expect(events).toEqual(['lost'])
      expect((await manager.health()).reasons.map(({ code }) => code)).toEqual(['store-lost'])
      await clock.advance(10 * MINUTE)
      expect(events).toEqual(['lost', expect.stringMatching('restored')])
      expect((await manager.health()).status).toBe('ok')
    })

    it('a failure says nothing when the lock has answered a later call', async () => {
      const { clock, manager, events } = await startSlowToFail(5_000)
      await manager.trigger('sweep')
      await clock.advance(MINUTE)
      expect(events).toEqual([])
    })

    it('a failure says nothing after a stop', async () => {
      const { clock, manager, events } = await startSlowToFail(30_000)
      await Promise.all([manager.stop(), clock.advance(20_000)])
      await clock.advance(MINUTE)
      expect(events).toEqual([])
      expect((await manager.health()).reasons.map(({ code }) => code)).toEqual(['not-running'])
    })
  })

  it('nothing says so after a stop', async () => {
    const { clock, lock, manager } = await startInstance()
    lock.mode = 'away'
    await clock.advance(10 * MINUTE)
    await manager.stop()
    expect((await manager.health()).reasons.map(({ code }) => code)).toEqual(['not-running'])
    expect(clock.timerCount).toBe(0)
  })
})

describe('a lock that does not answer', () => {
  it('is asked again after 10 s; whichever answer comes first counts', async () => {
    const { clock, lock, runs, events, records } = await startInstance()
    lock.mode = 'silent'
    await clock.advance(10 * MINUTE)
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
    await clock.advance(16 * MINUTE)
    expect(await records()).toEqual(['scheduled missed late'])
    lock.answer()
    await clock.advance(4 * MINUTE)
    expect(runs).toEqual([slotId(20)])
    expect(await lock.isFree('sweep')).toBe(true)
  })

  it.each<[string, (instance: Awaited<ReturnType<typeof startInstance>>) => Promise<unknown>, string[]]>([
    ['a pause', ({ manager }) => manager.pause('sweep'), ['scheduled skipped paused']],
    ['a cancel', ({ manager }) => manager.cancel(slotId(10)), ['scheduled aborted cancelled']],
    ['a stop', ({ manager, clock }) => Promise.all([manager.stop(), clock.advance(20_000)]), []],
  ])(
    'does not keep %s from ending the wait; a hold that comes afterwards is given back',
    async (_what, end, records) => {
      const instance = await startInstance()
      const { clock, lock, manager, runs } = instance
      lock.mode = 'silent'
      await clock.advance(10 * MINUTE)
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
    await clock.advance(10 * MINUTE)
    await manager.remove('sweep')
    await manager.add(worker)
    lock.answer()
    await clock.advance(10 * MINUTE)
    expect(runs).toEqual([slotId(20)])
  })

  it('is waited for by a stop for a while, so that no lock is left behind', async () => {
    const { clock, lock, manager } = await startInstance()
    lock.mode = 'silent'
    await clock.advance(10 * MINUTE)
    let isStopped = false
    const stopped = manager.stop().then(() => {
      isStopped = true
    })
    await clock.settle()
    expect(isStopped).toBe(false)
    lock.answer()
    await stopped
    expect(lock.released).toEqual([slotId(10)])
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
    await clock.advance(16 * MINUTE)
    expect([runs, await records()]).toEqual([[], ['scheduled missed late']])
    expect((await manager.health()).reasons.map(({ code }) => code)).toEqual(['store-lost'])
  })

  it('runs nothing with a hold that is lost already, and asks again', async () => {
    const { clock, lock, runs } = await startInstance()
    const release = vi.fn(async () => {})
    const lost: LockHold = { kind: 'held', signal: AbortSignal.abort(new Error('late')), release }
    vi.spyOn(lock, 'acquire').mockResolvedValueOnce(lost)
    await clock.advance(10 * MINUTE)
    expect([runs, release.mock.calls.length]).toEqual([[], 1])
    await clock.advance(1_000)
    expect(runs).toEqual([slotId(10)])
  })

  it('that tells a loss of all its holds by one signal has no listener left on it after a run', async () => {
    const { clock, lock, runs } = await startInstance()
    const { signal } = new AbortController()
    vi.spyOn(lock, 'acquire').mockResolvedValue({ kind: 'held', signal, release: async () => {} })
    await clock.advance(30 * MINUTE)
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
    await clock.advance(20 * MINUTE)
    expect(runs).toEqual([slotId(10), slotId(20)])
    expect(logger.linesOf('a lock could not be released, it is held until it expires')).toHaveLength(1)
  })
})
