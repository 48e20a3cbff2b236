import { isNativeError } from 'node:util/types'

/** An error as plain data: what records keep of it. What is longer is cut, and ends in `…`. */
export interface RecordedError {
  /** The name of its class, at most 200 characters; `NonError` for what is no error. */
  readonly name: string
  /** At most 2,000 characters. */
  readonly message: string
  /** Its `code`, where that is a text; at most 200 characters. */
  readonly code?: string
  /** At most 8,000 characters. */
  readonly stack?: string
}

/** Makes plain data of whatever was thrown: `undefined`, a frozen object, a proxy that throws. Never throws. */
export function describeError(thrown: unknown): RecordedError {
  try {
    if (isError(thrown)) {
      const { code } = thrown as { code?: unknown }
      return {
        name: cut(String(thrown.name), 200),
        message: cut(String(thrown.message), 2_000),
        ...(typeof code === 'string' && { code: cut(code, 200) }),
        ...(typeof thrown.stack === 'string' && {
          stack: cut(thrown.stack, 8_000),
        }),
      }
    }
    const message = typeof thrown === 'object' && thrown !== null ? JSON.stringify(thrown) : String(thrown)
    return { name: 'NonError', message: cut(message ?? String(thrown), 2_000) }
  } catch {
    return { name: 'NonError', message: 'what was thrown can not be read' }
  }
}

/** Also of another realm: in Jest the errors of Node itself are, and in `node:vm` whatever is thrown there. */
export function isError(value: unknown): value is Error {
  return value instanceof Error || isNativeError(value)
}

function cut(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length)}…` : text
}
