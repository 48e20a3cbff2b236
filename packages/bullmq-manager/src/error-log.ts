import type { SafeLogger } from '@background-workers/abstractions/for-managers'
import { withoutCommand } from './redis-error.ts'

/** So many kinds of each sort are logged; what comes after them is not. */
const MAX_KINDS = 100

/** Logs each kind of error once in a session, a hundred kinds at most: BullMQ can emit over a thousand errors a second. */
export class ErrorLog {
  readonly #logger: SafeLogger
  readonly #errors = new Set<string>()
  readonly #malformed = new Set<string>()

  constructor(logger: SafeLogger) {
    this.#logger = logger
  }

  /** An error of BullMQ's, or of a command of ours that nobody waits for. */
  error(error: unknown): void {
    const kind = error instanceof Error ? error.message.replace(/\d+|job \S+/g, '…') : String(error)
    if (isNew(this.#errors, kind))
      this.#logger.error({ err: withoutCommand(error) }, 'BullMQ reports an error (logged once)')
  }

  /** A field in Redis that can not be read. */
  malformed(field: string): void {
    if (isNew(this.#malformed, field))
      this.#logger.warn({ field: field.slice(0, 200) }, 'what Redis holds can not be read, it is ignored')
  }
}

function isNew(seen: Set<string>, kind: string): boolean {
  if (seen.has(kind) || seen.size >= MAX_KINDS) return false
  seen.add(kind)
  return true
}
