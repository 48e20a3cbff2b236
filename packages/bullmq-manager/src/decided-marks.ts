import type { Store } from './store.ts'

/** How long they are gathered. */
const GATHER_MS = 50

/**
 * The slots whose runs have been added and wait for a place: they are decided, and their marks are raised together. Most runs start
 * before that, which raises the mark too. Nobody waits for it: where it fails or is cut off, the run in its queue still tells that
 * its slot is decided, and when it waits for long the slot is overdue, so that its tick is processed again.
 */
export class DecidedMarks {
  readonly #store: Store
  readonly #onError: (error: unknown) => void
  #slots = new Map<string, number>()
  #isGathering = false
  #written = Promise.resolve()

  constructor(store: Store, onError: (error: unknown) => void) {
    this.#store = store
    this.#onError = onError
  }

  /** Resolves when all marks are raised, or could not be. */
  get written(): Promise<void> {
    return this.#written
  }

  /** The run of this slot has been added. */
  add(worker: string, slot: number): void {
    this.#slots.set(worker, slot)
    if (!this.#isGathering) this.#written = this.#writeSoon()
  }

  /** The run of this slot has been decided. */
  delete(worker: string, slot: number): void {
    if (this.#slots.get(worker) === slot) this.#slots.delete(worker)
  }

  async #writeSoon(): Promise<void> {
    this.#isGathering = true
    await new Promise((resolve) => setTimeout(resolve, GATHER_MS))
    this.#isGathering = false
    const marks = [...this.#slots].map(([worker, slot]) => ({ worker, slot }))
    this.#slots = new Map()
    if (marks.length > 0) await this.#store.raiseAllDecided(marks).catch(this.#onError)
  }
}
