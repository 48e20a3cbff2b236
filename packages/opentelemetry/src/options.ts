import { type Clock, systemClock } from '@background-workers/abstractions'
import { type Check, checkOptions, hasMethods, isSlug } from '@background-workers/abstractions/for-managers'
import { type MeterProvider, type TracerProvider, metrics, trace } from '@opentelemetry/api'

/** What `instrumentBackgroundWorkers` takes. */
export interface InstrumentationOptions {
  /**
   * The manager's `applicationName`; it becomes the attribute `background_workers.application.name` of every span and
   * metric. Give it when one process has several managers, or their metrics can not be told apart.
   * @default none
   */
  readonly applicationName?: string | undefined
  /** Where the spans go. @default the global one */
  readonly tracerProvider?: TracerProvider | undefined
  /** Where the metrics go. @default the global one; register it before */
  readonly meterProvider?: MeterProvider | undefined
  /** The manager's clock, where it was given one. @default the system's */
  readonly clock?: Pick<Clock, 'now'> | undefined
}

/** The options with their defaults. */
export interface FilledOptions {
  readonly applicationName: string | undefined
  readonly tracerProvider: TracerProvider
  readonly meterProvider: MeterProvider
  readonly clock: Pick<Clock, 'now'>
}

/** @throws InvalidOptionsError */
export function fillOptions(options: InstrumentationOptions): FilledOptions {
  checkOptions('instrumentBackgroundWorkers', options, {
    applicationName: isSlug,
    tracerProvider: hasMethods('getTracer'),
    meterProvider: hasMethods('getMeter'),
    clock: hasMethods('now'),
  } satisfies Record<keyof InstrumentationOptions, Check>)
  return {
    applicationName: options.applicationName,
    tracerProvider: options.tracerProvider ?? trace.getTracerProvider(),
    meterProvider: options.meterProvider ?? metrics.getMeterProvider(),
    clock: options.clock ?? systemClock,
  }
}
