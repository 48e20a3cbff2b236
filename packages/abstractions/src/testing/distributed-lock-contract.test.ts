import { describe, expect, it } from 'vitest'
import type { LockHold, LockRefusal, LockRequest } from '../distributed-lock.ts'
import { InvalidOptionsError } from '../errors.ts'
import { InProcessLock } from '../in-process-lock.ts'
import { distributedLockContract } from './distributed-lock-contract.ts'
import { LockApplication } from './distributed-lock-contract/lock-application.ts'
import { ManualClock } from './manual-clock.ts'

/** A lock that is lost when its lease is over, as nothing renews it. */
class UnrenewedLock extends InProcessLock {
  readonly leaseMs: number
  readonly #clock: ManualClock

  constructor(clock: ManualClock, leaseMs: number) {
    super({ clock })
    this.#clock = clock
    this.leaseMs = leaseMs
  }

  override async acquire(request: LockRequest): Promise<LockHold | LockRefusal> {
    const answer = await super.acquire(request)
    if (answer.kind === 'held') this.#clock.setTimer(() => this.lose(request.worker), this.leaseMs)
    return answer
  }
}

/** A lock that can be had, and says that it can not. */
class UnansweredLock extends InProcessLock {
  async ping(): Promise<void> {
    throw new Error('no answer to the ping')
  }
}

describe('distributedLockContract', () => {
  /** One test of the suite, with this lock. */
  function testOf(
    title: string,
    lock: InProcessLock,
    clock: ManualClock,
    options: { readonly leaseMs?: number } = {},
  ): () => Promise<void> {
    const tests = new Map<string, () => Promise<void>>()
    distributedLockContract({
      runner: { describe: (_title, body) => body(), it: (name, body) => tests.set(name, body) },
      createLock: () => lock,
      lose: () => lock.lose('sweep'),
      advance: (ms) => clock.advance(ms),
      ...options,
    })
    return tests.get(title) as () => Promise<void>
  }

  /** The test of the lease, of a lock with this one that nothing renews. */
  function testOfLease(ownLeaseMs: number, options: { readonly leaseMs?: number } = {}): () => Promise<void> {
    const clock = new ManualClock()
    const lock = new UnrenewedLock(clock, ownLeaseMs)
    return testOf('is held for longer than its lease while its run goes on', lock, clock, options)
  }

  it('finds a lock that says it can not be had while it can', async () => {
    const title = 'can be had while a ping is answered, and a ping is answered while it can be had'
    await expect(testOf(title, new UnansweredLock(), new ManualClock())()).rejects.toThrow('no answer to the ping')
  })

  it.each([{}, { leaseMs: 20_000 }])('finds a lock that does not renew its lease, with %j', async (options) => {
    await expect(testOfLease(20_000, options)()).rejects.toThrow('sweep.m-2 is not refused')
  })

  it('refuses a leaseMs that is below that of the lock', async () => {
    const test = testOfLease(20_000, { leaseMs: 1_000 })
    await expect(test()).rejects.toThrow(InvalidOptionsError)
    await expect(test()).rejects.toThrow('"leaseMs" is 1000, but that of the lock is 20000')
  })

  it.each([Number.NaN, Number.POSITIVE_INFINITY, -1, 60_001])('refuses a lock whose lease is %d', async (leaseMs) => {
    await expect(testOfLease(leaseMs)()).rejects.toThrow(
      `distributedLockContract: leaseMs of the lock must be a number from 0 to 60000, got ${leaseMs}.`,
    )
  })

  it('refuses options of which one is missing, and deviations that are none', () => {
    expect(() => distributedLockContract({} as never)).toThrow(InvalidOptionsError)
    expect(() => distributedLockContract({} as never)).toThrow(
      'distributedLockContract: runner, createLock, lose must be given.',
    )
    expect(() => distributedLockContract({ deviations: {} } as never)).toThrow(
      'distributedLockContract: "deviations" must be an array of objects',
    )
  })
})

describe('LockApplication', () => {
  it('releases every hold and hands every lock over, also when one can not be released, and fails with that', async () => {
    const failure = new Error('it can not be released')
    const released: string[] = []
    const cleanedUp: unknown[] = []
    const lock = {
      async acquire({ runId }: LockRequest): Promise<LockHold> {
        const release = async () => {
          if (released.push(runId) === 1) throw failure
        }
        return { kind: 'held', signal: new AbortController().signal, release }
      },
    }
    const application = new LockApplication({
      createLock: () => lock,
      lose: () => {},
      leaseMs: undefined,
      advance: () => {},
      cleanUp: (given) => void cleanedUp.push(given),
    })
    await application.createLock()
    await application.hold(lock, 'sweep.m-1')
    await application.hold(lock, 'digest.m-1')
    await expect(application.end()).rejects.toBe(failure)
    expect([released, cleanedUp]).toEqual([['sweep.m-1', 'digest.m-1'], [lock]])
  })
})
