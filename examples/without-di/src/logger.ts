import type { Logger } from '@background-workers/abstractions'

/** A logger is whatever has these four methods: `console`, a pino logger, or this. */
export const logger: Logger = {
  debug() {},
  info: (data, message) => console.log(message, JSON.stringify(data)),
  warn: (data, message) => console.warn(message, data),
  error: (data, message) => console.error(message, data),
}
