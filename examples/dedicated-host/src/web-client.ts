import { setTimeout as sleep } from 'node:timers/promises'

const PATIENCE_MS = 60_000

/** What a browser would do: requests to the web process. */
export class WebClient {
  readonly #port: number
  readonly #interruption: AbortSignal

  constructor(port: number, interruption: AbortSignal) {
    this.#port = port
    this.#interruption = interruption
  }

  get<T>(path: string): Promise<T> {
    return this.send('GET', path)
  }

  /** Gives the answer, an error too: that has a `code`. */
  async send<T>(method: string, path: string): Promise<T> {
    const response = await fetch(`http://127.0.0.1:${this.#port}${path}`, { method, signal: this.#interruption })
    return (await response.json()) as T
  }

  /** Asks again until the answer has what is looked for. */
  async until<T, Found>(path: string, find: (answer: T) => Found | undefined): Promise<Found> {
    const endsAt = performance.now() + PATIENCE_MS
    for (;;) {
      const found = find(await this.get<T>(path))
      if (found !== undefined) return found
      if (performance.now() > endsAt) throw new Error(`Waited ${PATIENCE_MS / 1_000} s in vain for GET ${path}.`)
      await sleep(50)
    }
  }
}
