import { setTimeout as sleep } from 'node:timers/promises'

const LOOK_EVERY_MS = 100
const PATIENCE_MS = 60_000

/** Tells the story in numbered steps, and waits for what it tells. */
export class Narrator {
  readonly #interruption: AbortSignal
  readonly #check: () => void
  #steps = 0

  /** `check` throws when something has gone wrong elsewhere; then nothing more is waited for. */
  constructor(interruption: AbortSignal, check: () => void) {
    this.#interruption = interruption
    this.#check = check
  }

  step(title: string): void {
    this.#steps++
    console.log(`\n${this.#steps}. ${title}`)
  }

  say(...lines: readonly string[]): void {
    for (const line of lines) console.log(`   ${line}`)
  }

  /** Resolves when it is so; looks ten times a second. */
  async until(whatIsWaitedFor: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
    const endsAt = performance.now() + PATIENCE_MS
    while (!(await isSo())) {
      this.#interruption.throwIfAborted()
      this.#check()
      if (performance.now() > endsAt)
        throw new Error(`Waited ${PATIENCE_MS / 1_000} s in vain until ${whatIsWaitedFor}.`)
      await sleep(LOOK_EVERY_MS)
    }
  }
}
