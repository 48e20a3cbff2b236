/**
 * Where workers and managers report. The few methods that we call: a pino logger fits as it is, and so does `console`.
 * Data comes in the object, a fixed sentence after it; an error stands under `err`, or is the data.
 */
export interface Logger {
  debug(data: object, message?: string): void
  info(data: object, message?: string): void
  warn(data: object, message?: string): void
  error(data: object, message?: string): void
  /** A logger that adds `bindings` to each of its lines. Without it the bindings are merged into the data. */
  child?(bindings: Record<string, unknown>): Logger
  /** Whether lines of that level are written. Those that are not cost nothing then: no child logger is made for them. */
  isLevelEnabled?(level: string): boolean
}

/** What a worker logs with: a sentence may also come alone. */
export interface WorkerLogger extends Logger {
  debug(data: object, message?: string): void
  debug(message: string): void
  info(data: object, message?: string): void
  info(message: string): void
  warn(data: object, message?: string): void
  warn(message: string): void
  error(data: object, message?: string): void
  error(message: string): void
  child(bindings: Record<string, unknown>): WorkerLogger
}

/** A logger that writes nothing: the default everywhere. */
export const silentLogger: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
}
