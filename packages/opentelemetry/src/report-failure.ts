import { diag } from '@opentelemetry/api'

/** A listener that never throws: on a diagnostics channel that would end the process. What fails goes to OpenTelemetry's `diag`. */
export function reportingFailures<Arguments extends unknown[]>(
  listener: (...args: Arguments) => void,
): (...args: Arguments) => void {
  return (...args) => {
    try {
      listener(...args)
    } catch (error) {
      reportFailure(error)
    }
  }
}

/** Tells OpenTelemetry's own diagnostics what went wrong here; it never reaches the run. */
export function reportFailure(error: unknown): void {
  diag.error('background workers could not be observed', error)
}
