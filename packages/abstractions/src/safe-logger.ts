import { type Logger, type WorkerLogger, silentLogger } from './logger.ts'
import { isError } from './recorded-error.ts'

type Level = 'debug' | 'info' | 'warn' | 'error'

/**
 * Makes a user's logger safe: what it throws is dropped, so no log line can stop a manager. Its child loggers
 * are made at the first line that needs them: 100,000 workers that log nothing cost no child logger.
 */
export function safeLogger(logger: Logger | undefined): SafeLogger {
  return new SafeLogger(logger ?? silentLogger)
}

/** See `safeLogger`. */
export class SafeLogger implements WorkerLogger {
  readonly #parent: Logger
  readonly #bindings: Record<string, unknown> | undefined
  #target: Logger | undefined

  constructor(parent: Logger, bindings?: Record<string, unknown>) {
    this.#parent = parent
    this.#bindings = bindings
  }

  debug(data: object | string, message?: string): void {
    this.#write('debug', data, message)
  }

  info(data: object | string, message?: string): void {
    this.#write('info', data, message)
  }

  warn(data: object | string, message?: string): void {
    this.#write('warn', data, message)
  }

  error(data: object | string, message?: string): void {
    this.#write('error', data, message)
  }

  child(bindings: Record<string, unknown>): SafeLogger {
    return new SafeLogger(this.#parent, { ...this.#bindings, ...bindings })
  }

  /** Whether a line of that level may be written. Ask before you make the data of a line that is seldom written. */
  isLevelEnabled(level: Level): boolean {
    // Not a method of the silent logger: whoever spreads it writes some levels.
    if (this.#parent === silentLogger) return false
    try {
      return this.#parent.isLevelEnabled?.(level) !== false
    } catch {
      return true
    }
  }

  #write(level: Level, data: object | string, message: string | undefined): void {
    if (!this.isLevelEnabled(level)) return
    try {
      this.#target ??= this.#createTarget()
      const written: unknown =
        typeof data === 'string' ? this.#target[level]({}, data) : this.#target[level](data, message)
      if (written instanceof Promise) written.catch(() => {})
    } catch {
      // A logger that fails has nowhere to report to, and the work must go on.
    }
  }

  #createTarget(): Logger {
    const bindings = this.#bindings
    const parent = this.#parent
    if (!bindings) return parent
    if (parent.child) return parent.child(bindings)
    return {
      debug: (data, message) => parent.debug(withBindings(bindings, data), message),
      info: (data, message) => parent.info(withBindings(bindings, data), message),
      warn: (data, message) => parent.warn(withBindings(bindings, data), message),
      error: (data, message) => parent.error(withBindings(bindings, data), message),
    }
  }
}

/** The data of a line of a child logger. Of an error, as in `logger.error(error)`, a spread would copy neither message nor stack. */
export function withBindings(bindings: Record<string, unknown>, data: object): Record<string, unknown> {
  return { ...bindings, ...(isError(data) ? { err: data } : data) }
}
