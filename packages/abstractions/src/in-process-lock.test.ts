import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { InvalidOptionsError } from './errors.ts'
import { InProcessLock } from './in-process-lock.ts'
import { distributedLockContract } from './testing/distributed-lock-contract.ts'
import { ManualClock } from './testing/manual-clock.ts'

describe('distributedLockContract, in one process', () => {
  const clock = new ManualClock()
  const locks = new Map<string, InProcessLock>()
  distributedLockContract({
    runner: { describe, it },
    createLock: ({ applicationName, slotClaimTtlMs }) => {
      const lock = locks.get(applicationName) ?? new InProcessLock({ clock, slotClaimTtlMs })
      locks.set(applicationName, lock)
      return lock
    },
    lose: (lock, worker) => lock.lose(worker),
    advance: (ms) => clock.advance(ms),
  })
})

describe('InProcessLock', () => {
  const slot = { dueAt: 1_000, startableForMs: 300 }

  it('keeps a claim for the time in which its slot may start, and slotClaimTtlMs more', async () => {
    const clock = new ManualClock()
    const lock = new InProcessLock({ clock, slotClaimTtlMs: 500 })
    const claim = async () => {
      const answer = await lock.acquire({ worker: 'w', runId: 'w.1000', slot })
      if (answer.kind === 'held') await answer.release()
      return answer.kind
    }
    expect(await claim()).toBe('held')
    await clock.advance(799)
    expect(await claim()).toBe('refused')
    await clock.advance(1)
    expect(await claim()).toBe('held')
  })

  it('keeps it for 10 min more by default', async () => {
    const clock = new ManualClock()
    const lock = new InProcessLock({ clock })
    const first = await lock.acquire({ worker: 'w', runId: 'w.1000', slot })
    if (first.kind === 'held') await first.release()
    await clock.advance(600_299)
    expect(await lock.acquire({ worker: 'w', runId: 'w.1000', slot })).toEqual({ kind: 'refused' })
    await clock.advance(1)
    expect(await lock.acquire({ worker: 'w', runId: 'w.1000', slot })).toMatchObject({ kind: 'held' })
  })

  it('forgets the claims of workers that claim nothing any more', async () => {
    const set = vi.spyOn(Map.prototype, 'set')
    onTestFinished(() => set.mockRestore())
    const clock = new ManualClock()
    const lock = new InProcessLock({ clock })
    const claim = async (worker: string) => {
      const answer = await lock.acquire({ worker, runId: `${worker}.1000`, slot })
      if (answer.kind === 'held') await answer.release()
    }
    for (let index = 0; index < 1_000; index++) await claim(`once-${index}`)
    await clock.advance(600_300)
    await claim('w')
    const maps = new Set(set.mock.contexts as Map<unknown, unknown>[])
    expect([...maps].filter((map) => map.has('w')).map(({ size }) => size)).toEqual([1])
  })

  it('says whether there was a lock to lose', async () => {
    const lock = new InProcessLock()
    expect(lock.lose('w')).toBe(false)
    await lock.acquire({ worker: 'w', runId: 'w.m-1' })
    expect([lock.lose('w'), lock.lose('w')]).toEqual([true, false])
  })

  it.each([
    [{ slotClaimTtl: 1 }, 'unknown option "slotClaimTtl"'],
    [{ slotClaimTtlMs: -1 }, '"slotClaimTtlMs" must be a whole number of ms'],
    [{ clock: {} }, '"clock" must have the method now()'],
  ])('refuses %j', (options, message) => {
    expect(() => new InProcessLock(options as never)).toThrow(InvalidOptionsError)
    expect(() => new InProcessLock(options as never)).toThrow(message)
  })
})
