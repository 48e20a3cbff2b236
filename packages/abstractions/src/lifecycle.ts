import type { ManagerState, StopReport } from './manager.ts'

/**
 * The start-once, stop-once rules of every manager. Each call that wants what is already wanted shares its promise;
 * each that wants the opposite waits for what is under way.
 *
 *     idle -> starting -> running -> stopping -> stopped -> starting …
 *                      -> idle (the start failed)
 */
export class Lifecycle {
  #state: ManagerState = 'idle'
  #wanted: 'running' | 'stopped' | undefined
  #starting: Promise<void> = Promise.resolve()
  #stopping: Promise<StopReport> = Promise.resolve(NOTHING)

  get state(): ManagerState {
    return this.#state
  }

  /** Whether the manager runs and no stop has been asked for. */
  get isRunning(): boolean {
    return this.#state === 'running'
  }

  start(work: () => Promise<void>): Promise<void> {
    if (this.#wanted === 'running') return this.#starting
    this.#wanted = 'running'
    const isStopPending = this.#state !== 'idle' && this.#state !== 'stopped'
    const before = isStopPending ? this.#stopping : undefined
    this.#starting = this.#start(before, work)
    return this.#starting
  }

  stop(work: () => Promise<StopReport>): Promise<StopReport> {
    if (this.#wanted === undefined) return Promise.resolve(NOTHING)
    if (this.#wanted === 'stopped') return this.#stopping
    this.#wanted = 'stopped'
    this.#stopping = this.#stop(this.#starting, work)
    return this.#stopping
  }

  async #start(before: Promise<unknown> | undefined, work: () => Promise<void>): Promise<void> {
    if (before) await before
    this.#wanted = 'running'
    this.#state = 'starting'
    try {
      await work()
      this.#state = 'running'
    } catch (error) {
      this.#state = 'idle'
      this.#wanted = undefined
      throw error
    }
  }

  async #stop(before: Promise<void>, work: () => Promise<StopReport>): Promise<StopReport> {
    if (this.#state !== 'running') {
      try {
        await before
      } catch {
        return NOTHING
      }
    }
    this.#state = 'stopping'
    try {
      return await work()
    } finally {
      this.#state = 'stopped'
    }
  }
}

const NOTHING: StopReport = Object.freeze({
  finished: 0,
  abandoned: Object.freeze([]),
})
