import { checkGiven, checkOptions, hasMethods, isFunction, isWhole } from '../checks.ts'
import type { IDistributedLock } from '../distributed-lock.ts'
import { type ContractDeviation, type ContractRunner, areDeviations, collectContract } from './contract-suite.ts'
import { locks } from './distributed-lock-contract/locks.ts'
import { losses } from './distributed-lock-contract/losses.ts'
import { slotClaims } from './distributed-lock-contract/slot-claims.ts'
import {
  type ContractLockOptions,
  LockApplication,
  MAX_LEASE_MS,
} from './distributed-lock-contract/lock-application.ts'

/** What `distributedLockContract` takes. */
export interface DistributedLockContractOptions<Lock extends IDistributedLock> {
  /** `describe` and `it` of the test runner; `it.concurrent` fits too, tests share nothing. */
  readonly runner: ContractRunner
  /**
   * Makes a lock. Each test has an `applicationName` of its own; two locks with the same name are two processes of one
   * application.
   */
  readonly createLock: (options: ContractLockOptions) => Lock | Promise<Lock>
  /** Makes a worker's lock be lost as it is lost in life: its holder can not renew it, or the store has forgotten it. */
  readonly lose: (lock: Lock, worker: string, options: ContractLockOptions) => unknown
  /**
   * How long a lock lasts that is not renewed, in ms, at most 60_000; not below the lock's own `leaseMs`. The suite holds one
   * for 2.5 times as long, so give the lock a short one. Needed where the lock has a lease and does not say it.
   * @default the lock's own `leaseMs`
   */
  readonly leaseMs?: number
  /** Lets time pass: moves a manual clock, or waits. @default waits */
  readonly advance?: (ms: number) => unknown
  /** Called after each test for each lock; all holds have been released. */
  readonly cleanUp?: (lock: Lock, options: ContractLockOptions) => unknown
  /** The tests that the lock can not pass, and why. */
  readonly deviations?: readonly ContractDeviation[]
}

/**
 * The suite that defines a distributed lock: what a manager relies on. Each test waits for facts and not for time.
 *
 * @throws InvalidOptionsError; Error for a deviation without a reason, or one that names a test that does not exist.
 */
export function distributedLockContract<Lock extends IDistributedLock>(
  options: DistributedLockContractOptions<Lock>,
): void {
  checkOptions('distributedLockContract', options, {
    runner: hasMethods('describe', 'it'),
    createLock: isFunction,
    lose: isFunction,
    leaseMs: isWhole(1, MAX_LEASE_MS, 'ms'),
    advance: isFunction,
    cleanUp: isFunction,
    deviations: areDeviations,
  })
  checkGiven('distributedLockContract', options, ['runner', 'createLock', 'lose'])
  const { createLock, lose, leaseMs, cleanUp = () => {} } = options
  const advance = options.advance ?? ((ms) => new Promise((resolve) => globalThis.setTimeout(resolve, ms)))
  collectContract({
    groups: [locks, losses, slotClaims],
    runner: options.runner,
    deviations: options.deviations ?? [],
    createSubject: () =>
      new LockApplication({
        createLock,
        lose: (lock, worker, lockOptions) => lose(lock as Lock, worker, lockOptions),
        leaseMs,
        advance,
        cleanUp: (lock, lockOptions) => cleanUp(lock as Lock, lockOptions),
      }),
  })
}
