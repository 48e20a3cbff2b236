import { checkOptions, isText, isWhole, show } from './checks.ts'
import { InvalidOptionsError } from './errors.ts'
import type { ByOption, PauseOptions, RunsOptions, StopOptions } from './manager.ts'

// The checks of the calls that every manager takes, so that a bad call is refused in the same words everywhere.

/** @throws InvalidOptionsError */
export function checkName(call: string, name: unknown): void {
  if (typeof name !== 'string')
    throw new InvalidOptionsError(`${call}: the worker's name must be a text, got ${show(name)}.`)
}

/** @throws InvalidOptionsError */
export function checkRunId(call: string, runId: unknown): void {
  if (typeof runId !== 'string')
    throw new InvalidOptionsError(`${call}: the run id must be a text, got ${show(runId)}.`)
}

/** @throws InvalidOptionsError */
export function checkBy(call: string, options: ByOption): void {
  checkOptions(call, options, { by: isText })
}

/** @throws InvalidOptionsError */
export function checkPauseOptions(options: PauseOptions): void {
  checkOptions('pause', options, { by: isText, note: isText })
}

/** @throws InvalidOptionsError */
export function checkRunsOptions(options: RunsOptions): void {
  checkOptions('runs', options, { limit: isWhole(1, 1_000_000) })
}

/** @throws InvalidOptionsError */
export function checkStopOptions(options: StopOptions): void {
  checkOptions('stop', options, {
    timeoutMs: isWhole(0, 3_650 * 86_400_000, 'ms'),
  })
}
