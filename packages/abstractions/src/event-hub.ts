import { isOneOf } from './checks.ts'
import { InvalidOptionsError } from './errors.ts'
import type { SafeLogger } from './safe-logger.ts'
import type { ManagerEventName, ManagerEvents } from './manager-events.ts'

type Listener<Name extends ManagerEventName> = (payload: ManagerEvents[Name]) => unknown

/** Hands events to listeners. What a listener throws, or rejects with, is logged and goes no further. */
export class EventHub {
  readonly #listeners = new Map<ManagerEventName, Set<Listener<never>>>()
  readonly #logger: SafeLogger

  constructor(logger: SafeLogger) {
    this.#logger = logger
  }

  /** @throws InvalidOptionsError for an unknown event or a listener that is not a function. */
  on<Name extends ManagerEventName>(event: Name, listener: Listener<Name>): () => void {
    const problem = isOneOf(...EVENT_NAMES)(event)
    if (problem !== undefined) throw new InvalidOptionsError(`on: the event ${problem}`)
    if (typeof listener !== 'function')
      throw new InvalidOptionsError(`on('${event}'): the listener must be a function.`)
    const listeners = this.#listeners.get(event) ?? new Set()
    this.#listeners.set(event, listeners)
    // A wrapper of its own, so that one function may be added twice and taken back once.
    const added: Listener<Name> = (payload) => listener(payload)
    listeners.add(added)
    return () => {
      listeners.delete(added)
    }
  }

  /** Whether anybody listens. Ask before you make a payload that many events would need. */
  hears(event: ManagerEventName): boolean {
    return this.#listeners.size > 0 && (this.#listeners.get(event)?.size ?? 0) > 0
  }

  emit<Name extends ManagerEventName>(event: Name, payload: ManagerEvents[Name]): void {
    const listeners = this.#listeners.get(event) as ReadonlySet<Listener<Name>> | undefined
    if (!listeners || listeners.size === 0) return
    for (const listener of [...listeners]) {
      try {
        const result = listener(payload)
        if (result instanceof Promise) result.catch((err) => this.#report(event, err))
      } catch (err) {
        this.#report(event, err)
      }
    }
  }

  #report(event: ManagerEventName, err: unknown): void {
    this.#logger.error({ err, event }, 'a listener failed')
  }
}

const EVENT_NAMES = Object.keys({
  'run-started': 0,
  'run-retrying': 0,
  'run-finished': 0,
  'run-skipped': 0,
  'worker-added': 0,
  'worker-removed': 0,
  'worker-paused': 0,
  'worker-resumed': 0,
  'worker-rescheduled': 0,
  'worker-orphaned': 0,
  'worker-start-failed': 0,
  'override-dropped': 0,
  'schedules-repaired': 0,
  'store-lost': 0,
  'store-restored': 0,
  'worker-stuck': 0,
  'worker-overdue': 0,
  'worker-recovered': 0,
  'health-reason-added': 0,
  'health-reason-cleared': 0,
  'health-changed': 0,
} satisfies Record<ManagerEventName, 0>)
