import type { HealthCode, IBackgroundWorkerManager } from '@background-workers/abstractions'
import type { Attributes, BatchObservableResult, Meter, Observable } from '@opentelemetry/api'
import { HEALTH_CODE } from './attributes.ts'
import { reportFailure } from './report-failure.ts'

/**
 * Observes what is wrong with a manager, with one `health` per collection: how many reasons of a code there are. The SDK
 * repeats the last value of what is not observed any more, so a code that is over goes to 0.
 */
export class HealthGauge {
  readonly #manager: IBackgroundWorkerManager
  readonly #meter: Meter
  readonly #common: Attributes
  readonly #reasons: Observable
  // So that there is a series to alert on before the first time.
  readonly #observed = new Set<HealthCode>(['no-progress'])

  constructor(manager: IBackgroundWorkerManager, meter: Meter, common: Attributes) {
    this.#manager = manager
    this.#meter = meter
    this.#common = common
    this.#reasons = meter.createObservableUpDownCounter('background_workers.health.reasons', {
      description: 'Health reasons by code: for how many workers, or 1 where it is about the manager.',
      unit: '{reason}',
    })
    // In one batch with nothing else: health is told also while the workers can not be listed.
    meter.addBatchObservableCallback(this.#observe, [this.#reasons])
  }

  dispose(): void {
    this.#meter.removeBatchObservableCallback(this.#observe, [this.#reasons])
  }

  readonly #observe = async (result: BatchObservableResult) => {
    try {
      const { reasons } = await this.#manager.health()
      for (const { code } of reasons) this.#observed.add(code)
      for (const observed of this.#observed) {
        const count = reasons.filter(({ code }) => code === observed).length
        result.observe(this.#reasons, count, { ...this.#common, [HEALTH_CODE]: observed })
      }
    } catch (error) {
      reportFailure(error)
    }
  }
}
