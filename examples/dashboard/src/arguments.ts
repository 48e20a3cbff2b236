import { parseArgs } from 'node:util'

/** What the example is told on its command line. */
export interface Arguments {
  readonly manager: 'default' | 'bullmq'
  /** How long it runs, in ms; the longest that a timer takes, 24 days, unless it is told. */
  readonly lifetimeMs: number
}

/** The command line can not be read. Its message is for whoever has written it. */
export class ArgumentsError extends Error {}

const FOREVER_MS = 2 ** 31 - 1

/**
 * Reads the command line of the example.
 *
 * @throws ArgumentsError when it can not be read
 */
export function readArguments(): Arguments {
  const { manager, seconds } = parse()
  if (manager !== 'default' && manager !== 'bullmq') {
    throw new ArgumentsError(`--manager must be default or bullmq, got ${manager}.`)
  }
  const lifetimeMs = seconds === undefined ? FOREVER_MS : Number(seconds) * 1_000
  if (!(lifetimeMs > 0 && lifetimeMs <= FOREVER_MS)) {
    throw new ArgumentsError(`--seconds must be a number above 0, at most 24 days, got ${seconds}.`)
  }
  return { manager, lifetimeMs }
}

function parse() {
  try {
    const options = { manager: { type: 'string', default: 'default' }, seconds: { type: 'string' } } as const
    return parseArgs({ options }).values
  } catch (error) {
    throw new ArgumentsError((error as Error).message, { cause: error })
  }
}
