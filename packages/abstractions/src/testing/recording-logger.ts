import type { Logger } from '../logger.ts'
import { withBindings } from '../safe-logger.ts'

/** A line that was logged. */
export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly message: string
  /** The data of the line, with the bindings of child loggers. */
  readonly data: Readonly<Record<string, unknown>>
}

/** A logger that keeps its lines for a test to look at. */
export class RecordingLogger implements Logger {
  /** Shared with all child loggers, oldest first. */
  readonly lines: LogLine[]
  readonly #bindings: Record<string, unknown>

  constructor(lines: LogLine[] = [], bindings: Record<string, unknown> = {}) {
    this.lines = lines
    this.#bindings = bindings
  }

  debug(data: object, message?: string): void {
    this.#record('debug', data, message)
  }

  info(data: object, message?: string): void {
    this.#record('info', data, message)
  }

  warn(data: object, message?: string): void {
    this.#record('warn', data, message)
  }

  error(data: object, message?: string): void {
    this.#record('error', data, message)
  }

  child(bindings: Record<string, unknown>): RecordingLogger {
    return new RecordingLogger(this.lines, { ...this.#bindings, ...bindings })
  }

  /** The lines with this message. */
  linesOf(message: string): LogLine[] {
    return this.lines.filter((line) => line.message === message)
  }

  #record(level: LogLine['level'], data: object, message = ''): void {
    this.lines.push({ level, message, data: withBindings(this.#bindings, data) })
  }
}
