import { type IBackgroundWorkerManager, InvalidOptionsError } from '@background-workers/abstractions'
import { hasMethods } from '@background-workers/abstractions/for-managers'
import { APPLICATION_NAME, INSTRUMENTATION_NAME } from './attributes.ts'
import { HealthGauge } from './health-gauge.ts'
import { type InstrumentationOptions, fillOptions } from './options.ts'
import { measureRuns } from './run-metrics.ts'
import { RunSpans } from './run-spans.ts'
import { WorkerGauges } from './worker-gauges.ts'

/** What `instrumentBackgroundWorkers` gives. */
export interface BackgroundWorkersInstrumentation extends Disposable {
  /** Ends it: nothing of it is subscribed afterwards. The span of a run that is active ends now, without an outcome. Idempotent. */
  dispose(): void
}

const instrumented = new WeakSet<IBackgroundWorkerManager>()

/**
 * Gives OpenTelemetry a span per run of a manager, and metrics of its runs and workers. Call it when the manager is made,
 * before it starts. Dispose it after the manager has stopped.
 *
 * Nothing that fails in OpenTelemetry touches a run; it is told to `diag`.
 *
 * @throws InvalidOptionsError also for a manager that is instrumented already.
 */
export function instrumentBackgroundWorkers(
  manager: IBackgroundWorkerManager,
  options: InstrumentationOptions = {},
): BackgroundWorkersInstrumentation {
  const problem = hasMethods('on', 'list', 'health')(manager)
  if (problem !== undefined) throw new InvalidOptionsError(`instrumentBackgroundWorkers: the manager ${problem}`)
  const { applicationName, tracerProvider, meterProvider, clock } = fillOptions(options)
  if (instrumented.has(manager)) {
    throw new InvalidOptionsError(
      'instrumentBackgroundWorkers: this manager is instrumented already, so all would be counted twice. Dispose the first instrumentation.',
    )
  }
  const common = applicationName === undefined ? {} : { [APPLICATION_NAME]: applicationName }
  const meter = meterProvider.getMeter(INSTRUMENTATION_NAME)
  let instanceId: string | undefined
  const isOurs = (id: string) => id === instanceId
  const stopNoting = manager.on('run-started', (record) => {
    instanceId = record.instanceId
  })
  const spans = new RunSpans(manager, tracerProvider.getTracer(INSTRUMENTATION_NAME), { common, isOurs })
  const stopMeasuring = measureRuns(manager, meter, common)
  const gauges = new WorkerGauges(manager, meter, { common, isOurs, clock })
  // After the gauges: to ask for the health may cure what they are to tell.
  const health = new HealthGauge(manager, meter, common)
  instrumented.add(manager)

  let isDisposed = false
  const dispose = () => {
    // The manager may be instrumented anew since, and not by this one.
    if (isDisposed) return
    isDisposed = true
    stopNoting()
    spans.dispose()
    stopMeasuring()
    gauges.dispose()
    health.dispose()
    instrumented.delete(manager)
  }
  return { dispose, [Symbol.dispose]: dispose }
}
