import { type Check, checkOptions, isText, isWhole, show } from './checks.ts'
import { MAX_DURATION_MS } from './duration.ts'
import { InvalidOptionsError } from './errors.ts'
import { type Given, givenOptions } from './given-options.ts'
import type { ByOption, IBackgroundWorkerManager, StopOptions } from './manager.ts'

// The checks of the calls that every manager takes, so that a bad call is refused in the same words everywhere.

const OPTIONS_OF_CALL = {
  remove: { by: isText },
  trigger: { by: isText },
  pause: { by: isText, note: isText },
  resume: { by: isText },
  reschedule: { by: isText },
  runs: { limit: isWhole(1, 1_000_000) },
} satisfies { readonly [call in keyof IBackgroundWorkerManager]?: Readonly<Record<string, Check>> }

/**
 * Checks a call that names a worker, and gives its options: those that are given, as a plain object of the manager's own.
 *
 * @throws InvalidOptionsError
 */
export function checkCall<Options extends object>(
  call: keyof typeof OPTIONS_OF_CALL,
  name: unknown,
  options: Options,
): Given<Options> {
  checkName(call, name)
  checkOptions(call, options, OPTIONS_OF_CALL[call])
  return givenOptions(options, Object.keys(OPTIONS_OF_CALL[call]))
}

/**
 * Checks the name of a worker: any text, there may be no worker of that name.
 *
 * @throws InvalidOptionsError
 */
export function checkName(call: string, name: unknown): void {
  if (typeof name !== 'string')
    throw new InvalidOptionsError(`${call}: the worker's name must be a text, got ${show(name)}.`)
}

/**
 * Checks a call of `cancel`.
 *
 * @throws InvalidOptionsError
 */
export function checkCancel(runId: unknown, options: ByOption): void {
  if (typeof runId !== 'string') throw new InvalidOptionsError(`cancel: the run id must be a text, got ${show(runId)}.`)
  checkOptions('cancel', options, { by: isText })
}

/**
 * Checks what `stop` takes.
 *
 * @throws InvalidOptionsError
 */
export function checkStopOptions(options: StopOptions): void {
  checkOptions('stop', options, { timeoutMs: isWhole(0, MAX_DURATION_MS, 'ms') })
}
