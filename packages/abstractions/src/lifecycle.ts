import { checkStopOptions } from './call-checks.ts'
import type { FilledManagerOptions } from './manager-options.ts'
import type { ManagerState, StopOptions, StopReport } from './manager.ts'
import { Run } from './run.ts'

/** What the starts and stops of a manager depend on. */
export interface LifecycleParts {
  readonly options: Pick<FilledManagerOptions, 'isEnabled' | 'stopTimeoutMs'>
  /** Of the manager: its own runs have it. */
  readonly instanceId: string
}

/**
 * The start-once, stop-once rules of every manager. Each call that wants what is already wanted shares its promise;
 * each that wants the opposite waits for what is under way.
 *
 *     idle -> starting -> running -> stopping -> stopped -> starting …
 *                      -> idle (the start failed)
 */
export class Lifecycle {
  readonly #parts: LifecycleParts
  #state: ManagerState = 'idle'
  /** Whether the work of a start has begun, and no stop has. */
  #isAtWork = false
  #wanted: 'running' | 'stopped' | undefined
  #starting: Promise<void> = Promise.resolve()
  #stopping: Promise<StopReport> = Promise.resolve(NOTHING)
  #startCount = 0
  #runningStart = 0
  /** Awaited before `work`, which may call `start` and `stop` itself: their promises must be in place by then. */
  readonly #turn = Promise.resolve()

  constructor(parts: LifecycleParts) {
    this.#parts = parts
  }

  get state(): ManagerState {
    return this.#state
  }

  /** Whether the start is done and no stop has begun. */
  get isRunning(): boolean {
    return this.#state === 'running'
  }

  /** Whether workers are started, slots taken and runs begun. What is added before that is left to the start. */
  get isWorking(): boolean {
    return this.#parts.options.isEnabled && this.#isAtWork
  }

  start(work: () => Promise<void>): Promise<void> {
    if (this.#wanted === 'running') return this.#starting
    this.#wanted = 'running'
    const isStopPending = this.#state !== 'idle' && this.#state !== 'stopped'
    const before = isStopPending ? this.#stopping : undefined
    this.#starting = this.#start(before, work, ++this.#startCount)
    return this.#starting
  }

  /**
   * `work` is given how long it may wait for what is running, in ms.
   *
   * @throws InvalidOptionsError
   */
  stop(options: StopOptions, work: (timeoutMs: number) => Promise<StopReport>): Promise<StopReport> {
    checkStopOptions(options)
    if (this.#wanted === undefined) return Promise.resolve(NOTHING)
    if (this.#wanted === 'running') {
      this.#wanted = 'stopped'
      const timeoutMs = options.timeoutMs ?? this.#parts.options.stopTimeoutMs
      this.#stopping = this.#stop(this.#starting, () => work(timeoutMs))
    }
    const caller = Run.current()
    // A run that waits for this stop must not be waited for; one of another manager must, by that manager.
    if (caller?.instanceId === this.#parts.instanceId) caller.leaveToCaller(this.#stopping)
    return this.#stopping
  }

  async #start(before: Promise<unknown> | undefined, work: () => Promise<void>, startNumber: number): Promise<void> {
    // A stop that failed is reported to its own caller.
    if (before) await before.catch(() => {})
    this.#state = 'starting'
    await this.#turn
    this.#isAtWork = true
    try {
      await work()
      this.#state = 'running'
      this.#runningStart = startNumber
    } catch (error) {
      this.#state = 'idle'
      this.#isAtWork = false
      // A start that waits behind a stop is still wanted.
      if (startNumber === this.#startCount) this.#wanted = undefined
      throw error
    }
  }

  async #stop(before: Promise<void>, work: () => Promise<StopReport>): Promise<StopReport> {
    const isStartPending = this.#state !== 'running' || this.#runningStart !== this.#startCount
    if (isStartPending) {
      try {
        await before
      } catch {
        return NOTHING
      }
    }
    this.#state = 'stopping'
    this.#isAtWork = false
    await this.#turn
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
