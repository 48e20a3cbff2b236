/** One after the other for each key, in the order in which they come. */
export class Turns {
  /** By key: the last one. */
  readonly #last = new Map<string, Promise<unknown>>()

  /** Does `work` when everything before it has settled. */
  take<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key)
    const turn = before ? before.then(work, work) : work()
    this.#last.set(key, turn)
    const forget = () => {
      if (this.#last.get(key) === turn) this.#last.delete(key)
    }
    turn.then(forget, forget)
    return turn
  }

  /** Resolves when everything has settled that has come so far. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#last.values())
  }
}
