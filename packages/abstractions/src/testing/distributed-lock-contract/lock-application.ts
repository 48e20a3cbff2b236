import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { isNumber } from '../../checks.ts'
import type { IDistributedLock, LockHold, LockRefusal, SlotToClaim } from '../../distributed-lock.ts'
import { InvalidOptionsError } from '../../errors.ts'
import { callEach } from '../contract-suite.ts'

/** What a lock of the suite is made with. */
export interface ContractLockOptions {
  readonly applicationName: string
  readonly slotClaimTtlMs: number
}

/** What the suite needs of the lock under test. */
export interface LockApplicationParts {
  readonly createLock: (options: ContractLockOptions) => IDistributedLock | Promise<IDistributedLock>
  readonly lose: (lock: IDistributedLock, worker: string, options: ContractLockOptions) => unknown
  readonly leaseMs: number | undefined
  readonly advance: (ms: number) => unknown
  readonly cleanUp: (lock: IDistributedLock, options: ContractLockOptions) => unknown
}

/** A slot of 2026-01-01T00:00:00Z and so many minutes. */
export function slotAt(minutes: number, startableForMs = 30_000): SlotToClaim {
  return { dueAt: Date.UTC(2026, 0, 1, 0, minutes), startableForMs }
}

/** The application of one test: the locks of its processes, and their holds. */
export class LockApplication {
  readonly #parts: LockApplicationParts
  readonly #options: ContractLockOptions = { applicationName: `contract-${randomUUID()}`, slotClaimTtlMs: 600_000 }
  readonly #locks: { readonly lock: IDistributedLock; readonly options: ContractLockOptions }[] = []
  readonly #holds: LockHold[] = []

  constructor(parts: LockApplicationParts) {
    this.#parts = parts
  }

  /** The lock of one more process. */
  async createLock(options: Partial<ContractLockOptions> = {}): Promise<IDistributedLock> {
    const filled = { ...this.#options, ...options }
    const lock = await this.#parts.createLock(filled)
    this.#locks.push({ lock, options: filled })
    return lock
  }

  /** The locks of two processes. */
  async createTwo(): Promise<[IDistributedLock, IDistributedLock]> {
    return [await this.createLock(), await this.createLock()]
  }

  async ask(lock: IDistributedLock, runId: string, slot?: SlotToClaim): Promise<LockHold | LockRefusal> {
    const worker = runId.slice(0, runId.indexOf('.'))
    const answer = await lock.acquire({ worker, runId, ...(slot && { slot }) })
    assert.ok(answer.kind === 'held' || answer.kind === 'refused', `kind is ${String(answer.kind)}`)
    if (answer.kind === 'held') this.#holds.push(answer)
    return answer
  }

  async hold(lock: IDistributedLock, runId: string, slot?: SlotToClaim): Promise<LockHold> {
    const answer = await this.ask(lock, runId, slot)
    assert.ok(answer.kind === 'held', `${runId} is refused: ${JSON.stringify(answer)}`)
    assert.equal(answer.signal.aborted, false)
    return answer
  }

  async refusal(lock: IDistributedLock, runId: string, slot?: SlotToClaim): Promise<LockRefusal> {
    const answer = await this.ask(lock, runId, slot)
    assert.ok(answer.kind === 'refused', `${runId} is not refused`)
    return answer
  }

  async lose(lock: IDistributedLock, worker: string): Promise<void> {
    await this.#parts.lose(lock, worker, this.#options)
  }

  /** Lets so much time pass that what this lock gives has expired, unless it is renewed or does not expire. */
  async passLease({ leaseMs = 0 }: IDistributedLock): Promise<void> {
    const problem = isNumber(0, MAX_LEASE_MS)(leaseMs)
    if (problem !== undefined) throw new InvalidOptionsError(`distributedLockContract: leaseMs of the lock ${problem}`)
    const givenMs = this.#parts.leaseMs ?? leaseMs
    if (givenMs < leaseMs) {
      throw new InvalidOptionsError(
        `distributedLockContract: "leaseMs" is ${givenMs}, but that of the lock is ${leaseMs}, so none would be held for longer. Leave it out.`,
      )
    }
    await this.pass(2.5 * givenMs)
  }

  async pass(ms: number): Promise<void> {
    await this.#parts.advance(ms)
  }

  /** Lets time pass until `fact` gives something. */
  async until(what: string, fact: () => unknown): Promise<void> {
    for (let passedMs = 0; !(await fact()); passedMs += STEP_MS) {
      if (passedMs >= MOST_WAIT_MS) assert.fail(`Waited ${MOST_WAIT_MS} ms in vain until ${what}.`)
      await this.pass(STEP_MS)
    }
  }

  async end(): Promise<void> {
    await callEach([
      ...this.#holds.map((hold) => () => hold.release()),
      ...this.#locks.map(
        ({ lock, options }) =>
          () =>
            this.#parts.cleanUp(lock, options),
      ),
    ])
  }
}

/** The longest lease of a lock that the suite waits for, in ms. */
export const MAX_LEASE_MS = 60_000

const STEP_MS = 20
const MOST_WAIT_MS = 20_000
