import { randomUUID } from 'node:crypto'
import type { SlotToClaim } from '@background-workers/abstractions'
import type { RedisConnection } from './redis-connection.ts'

/**
 * Claims a slot, unless that is done or the worker is locked: in one piece, so one instance gets it. The same token gets it
 * again, as its first answer may have been lost.
 *
 * KEYS lock, claim · ARGV token, ms to keep it
 */
const CLAIM_SLOT = `
local holder = redis.call('GET', KEYS[1])
if holder then return 'locked ' .. holder end
local token = redis.call('GET', KEYS[2])
if token then return token == ARGV[1] and 'claimed' or 'claimed before' end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return 'claimed'
`

const LOCKED = 'locked '

/** What becomes of a claim. */
export type ClaimAnswer =
  | { readonly kind: 'claimed' }
  | { readonly kind: 'claimed-before' }
  | { readonly kind: 'locked'; readonly holder: string }

/** A slot, where its worker's lock is, and where its claim. */
export interface ClaimRequest {
  readonly slot: SlotToClaim
  readonly lockKey: string
  readonly claimKey: string
}

interface OpenClaim {
  readonly dueAt: number
  readonly token: string
}

/** Claims slots: a key for each, which outlives the run and expires. */
export class SlotClaims {
  readonly #connection: RedisConnection
  readonly #slotClaimTtlMs: number
  /** By worker: what may have been claimed without its claimer knowing. */
  readonly #open = new Map<string, OpenClaim>()

  constructor(connection: RedisConnection, slotClaimTtlMs: number) {
    this.#connection = connection
    this.#slotClaimTtlMs = slotClaimTtlMs
  }

  /**
   * Does `work` with the token by which a slot is claimed. When that fails, the next one who claims it has the same token.
   * One at a time for each worker: two managers that share the lock must not both get the slot.
   */
  async withToken<T>(worker: string, dueAt: number, work: (token: string) => Promise<T>): Promise<T> {
    const open = this.#open.get(worker)
    const claim = open?.dueAt === dueAt ? open : { dueAt, token: randomUUID() }
    this.#open.set(worker, claim)
    const answer = await work(claim.token)
    this.#open.delete(worker)
    return answer
  }

  async claim({ slot, lockKey, claimKey }: ClaimRequest, token: string): Promise<ClaimAnswer> {
    const keepMs = Math.max(1, Math.ceil(slot.startableForMs) + this.#slotClaimTtlMs)
    const answer = await this.#connection.send((client) => client.eval(CLAIM_SLOT, 2, lockKey, claimKey, token, keepMs))
    return readAnswer(String(answer))
  }
}

function readAnswer(answer: string): ClaimAnswer {
  if (answer.startsWith(LOCKED)) return { kind: 'locked', holder: answer.slice(LOCKED.length) }
  return { kind: answer === 'claimed' ? 'claimed' : 'claimed-before' }
}
