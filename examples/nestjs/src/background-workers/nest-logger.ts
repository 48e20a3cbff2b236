import type { Logger } from '@background-workers/abstractions'
import { Logger as NestLogger } from '@nestjs/common'

/** Nest's logger as a manager wants it: the sentence first, the data after it, and the worker as the context. */
export function nestLogger(context: string, bindings: object = {}): Logger {
  const logger = new NestLogger(context)
  const writeTo = (level: 'debug' | 'log' | 'warn' | 'error') => (data: object, message?: string) =>
    logger[level](message, { ...bindings, ...(data instanceof Error ? { err: data } : data) })
  return {
    debug: writeTo('debug'),
    info: writeTo('log'),
    warn: writeTo('warn'),
    error: writeTo('error'),
    child: ({ worker = context, ...rest }) => nestLogger(String(worker), { ...bindings, ...rest }),
  }
}
