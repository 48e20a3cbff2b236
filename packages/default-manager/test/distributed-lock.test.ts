import {
  type IDistributedLock,
  LeaseLostError,
  ManagerStoppedError,
  type PeriodicBackgroundWorkerContext,
  RunCancelledError,
  StoreUnavailableError,
  UnknownWorkerError,
  WorkerBusyError,
  every,
  periodicWorker,
} from '@background-workers/abstractions'
import { ManualClock } from '@background-workers/abstractions/testing'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { DefaultBackgroundWorkerManager } from '../src/default-background-worker-manager.ts'
import { type LockedInstance, MINUTE_MS, slotId, startInstance } from './fixtures/locked-instance.ts'

describe('a run with a lock', () => {
  it('holds the lock of its worker until doWork has settled, and has claimed its slot', async () => {
    const gate = Promise.withResolvers<void>()
    const { clock, lock, runs } = await startInstance({ doWork: () => gate.promise })
    await clock.advance(10 * MINUTE_MS)
    expect(runs).toEqual([slotId(10)])
    // Half the gap to the next slot.
    const slot = { dueAt: clock.now(), startableForMs: 5 * MINUTE_MS }
    expect(lock.requests).toEqual([{ worker: 'sweep', runId: slotId(10), slot }])
    expect(await lock.isFree('sweep')).toBe(false)
    gate.resolve()
    await clock.settle()
    expect(lock.released).toEqual([slotId(10)])
    expect(await lock.isFree('sweep')).toBe(true)
  })

  it('claims a slot for as long as its policy lets it start, the jitter included', async () => {
    const { clock, lock } = await startInstance({ policy: { jitterMs: MINUTE_MS, catchUpWindowMs: 7 * MINUTE_MS } })
    await clock.advance(12 * MINUTE_MS)
    const { slot } = lock.requests[0] ?? {}
    expect(slot?.startableForMs).toBeGreaterThanOrEqual(7 * MINUTE_MS)
    expect(slot?.startableForMs).toBeLessThanOrEqual(8 * MINUTE_MS)
  })

  it('keeps the lock when a stop gives it up, until it settles', async () => {
    const gate = Promise.withResolvers<void>()
    const { clock, lock, manager } = await startInstance({ doWork: () => gate.promise })
    await clock.advance(10 * MINUTE_MS)
    const stopped = manager.stop({ timeoutMs: 1_000 })
    await clock.advance(2_000)
    expect((await stopped).abandoned).toEqual([{ worker: 'sweep', runId: slotId(10) }])
    expect([lock.left, lock.released]).toEqual([[slotId(10)], []])
    gate.resolve()
    await clock.settle()
    expect(lock.released).toEqual([slotId(10)])
  })

  it.each(['before others', 'while one is under way'])(
    'keeps the lock when it stops its manager itself, %s: that says that nobody waits for the run',
    async (when) => {
      const [mayStop, mayEnd] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
      const instance = await startInstance({
        doWork: async () => {
          await mayStop.promise
          await instance.manager.stop()
          await mayEnd.promise
        },
      })
      const { clock, lock, manager } = instance
      await clock.advance(10 * MINUTE_MS)
      const stopped = when === 'before others' ? undefined : manager.stop()
      mayStop.resolve()
      await clock.settle()
      await (stopped ?? manager.stop())
      expect([lock.left, lock.released]).toEqual([[slotId(10)], []])
      mayEnd.resolve()
      await clock.settle()
      expect(lock.released).toEqual([slotId(10)])
    },
  )

  it('that a stop has waited for is not one that nobody waits for', async () => {
    const gate = Promise.withResolvers<void>()
    const { clock, lock, manager } = await startInstance({ doWork: () => gate.promise })
    await clock.advance(10 * MINUTE_MS)
    const stopped = manager.stop()
    gate.resolve()
    await stopped
    expect([lock.left, lock.released]).toEqual([[], [slotId(10)]])
  })

  it('ends its stop also when the lock can not be told that nobody waits for it', async () => {
    const { clock, lock, logger, manager } = await startInstance({ doWork: () => new Promise(() => {}) })
    vi.spyOn(lock.left, 'push').mockImplementation(() => {
      throw new Error('gone')
    })
    await clock.advance(10 * MINUTE_MS)
    const [report] = await Promise.all([manager.stop({ timeoutMs: 0 }), clock.advance(2_000)])
    expect(report.abandoned).toHaveLength(1)
    const lines = logger.linesOf('a lock could not be told that nobody waits for its run any more')
    expect(lines.map(({ level }) => level)).toEqual(['error'])
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
    await clock.advance(10 * MINUTE_MS)
    lock.store.lose('sweep')
    expect(signals[0]?.reason).toBeInstanceOf(LeaseLostError)
    expect(await records()).toEqual(['scheduled aborted lease-lost'])
    await expect(manager.trigger('sweep')).rejects.toThrow(WorkerBusyError)
    expect(lock.released).toEqual([])
    gate.resolve()
    await clock.settle()
    expect(lock.released).toEqual([slotId(10)])
    await clock.advance(10 * MINUTE_MS)
    expect((await records())[0]).toBe('scheduled succeeded')
  })

  it('tells a loss as a LeaseLostError whatever the lock says', async () => {
    const clock = new ManualClock()
    const controller = new AbortController()
    const lock: IDistributedLock = {
      acquire: async () => ({ kind: 'held', signal: controller.signal, release: async () => {} }),
    }
    const manager = new DefaultBackgroundWorkerManager({ clock, distributedLock: lock })
    onTestFinished(async () => {
      await manager.stop()
    })
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
    await clock.advance(10 * MINUTE_MS)
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
    await clock.advance(10 * MINUTE_MS)
    expect(runs).toEqual([])
    expect(await records()).toEqual(['scheduled skipped held-elsewhere sweep.m-elsewhere'])
    expect(logger.linesOf('slot skipped').map(({ level }) => level)).toEqual(['debug'])
  })

  it('has its slot skipped when that was claimed before', async () => {
    const { clock, lock, runs, records } = await startInstance()
    const dueAt = clock.now() + 10 * MINUTE_MS
    const other = await lock.store.acquire({
      worker: 'sweep',
      runId: slotId(10),
      slot: { dueAt, startableForMs: MINUTE_MS },
    })
    if (other.kind === 'held') await other.release()
    await clock.advance(10 * MINUTE_MS)
    expect(await records()).toEqual(['scheduled skipped held-elsewhere'])
    await clock.advance(10 * MINUTE_MS)
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
    await clock.advance(10 * MINUTE_MS)
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

  it.each<[string, (instance: LockedInstance) => Promise<unknown>, new (...parts: never[]) => Error]>([
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
    await clock.advance(MINUTE_MS)
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
