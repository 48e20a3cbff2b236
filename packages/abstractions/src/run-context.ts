import { InvalidOptionsError } from './errors.ts'
import type { SafeLogger } from './safe-logger.ts'
import type { WorkerLogger } from './logger.ts'
import type { PeriodicBackgroundWorkerContext } from './periodic-worker.ts'
import type { RunPlan } from './run.ts'
import type { RunKind } from './run-record.ts'
import type { DisposableServiceScope, ServiceScope, ServiceScopeFactory } from './service-scope.ts'

/** What an attempt takes from its run. */
export interface AttemptSource {
  readonly plan: RunPlan
  readonly startedAtMs: number
  readonly signal: AbortSignal
  readonly logger: SafeLogger
}

/** The context of one attempt. What a worker does not touch (signal, scope, logger, dates) is never made. */
export class RunContext implements PeriodicBackgroundWorkerContext {
  readonly attempt: number
  readonly #source: AttemptSource
  readonly #scopeFactory: ServiceScopeFactory | undefined
  #scope: DisposableServiceScope | undefined
  #isEnded = false

  constructor(source: AttemptSource, attempt: number, scopeFactory: ServiceScopeFactory | undefined) {
    this.#source = source
    this.attempt = attempt
    this.#scopeFactory = scopeFactory
  }

  get workerName(): string {
    return this.#source.plan.worker.name
  }

  get runId(): string {
    return this.#source.plan.runId
  }

  get kind(): RunKind {
    return this.#source.plan.kind
  }

  get scheduledFor(): Date {
    return new Date(this.#source.plan.scheduledForMs)
  }

  get startedAt(): Date {
    return new Date(this.#source.startedAtMs)
  }

  get missedSlots(): number {
    return this.#source.plan.missedSlots
  }

  get lastSucceededAt(): Date {
    // Absent (and not just undefined) is promised by the type; the cast keeps the getter on the prototype.
    const { lastSucceededAtMs } = this.#source.plan
    return (lastSucceededAtMs === undefined ? undefined : new Date(lastSucceededAtMs)) as Date
  }

  get signal(): AbortSignal {
    return this.#source.signal
  }

  get logger(): WorkerLogger {
    return this.#source.logger
  }

  get services(): ServiceScope {
    if (!this.#scopeFactory) {
      throw new InvalidOptionsError(
        `Worker "${this.workerName}" uses context.services, but its manager has no scopeFactory. Pass one (an awilix container fits), or "services" to runOnce.`,
      )
    }
    if (this.#isEnded) {
      throw new InvalidOptionsError(
        `Worker "${this.workerName}" uses context.services after its attempt has ended. Resolve what you need inside doWork.`,
      )
    }
    this.#scope ??= this.#scopeFactory.createScope()
    return this.#scope as unknown as ServiceScope
  }

  /** Disposes the attempt's scope; gives nothing where there is none. It never rejects. */
  end(): Promise<void> | undefined {
    this.#isEnded = true
    return this.#scope && this.#dispose(this.#scope)
  }

  /** A failure is logged; it must not hide how the run ended. */
  async #dispose(scope: DisposableServiceScope): Promise<void> {
    try {
      await scope.dispose()
    } catch (err) {
      this.#source.logger.error({ err }, 'disposing the scope of a run failed')
    }
  }
}
