import { BackgroundWorkerError, type BackgroundWorkerErrorCode } from '@background-workers/abstractions'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { FilledOptions } from './options.ts'

/** What a page says of an error. */
export interface Problem {
  readonly status: ContentfulStatusCode
  readonly heading: string
  readonly text: string
}

const PROBLEMS: Partial<Record<BackgroundWorkerErrorCode, readonly [ContentfulStatusCode, string]>> = {
  'unknown-worker': [404, 'No such worker'],
  'worker-busy': [409, 'The worker is busy'],
  'worker-not-ready': [409, 'The worker has not started'],
  'not-periodic': [409, 'The worker has no schedule'],
  'invalid-schedule': [422, 'The schedule can not be kept'],
  'invalid-options': [422, 'That can not be kept'],
  'manager-stopped': [503, 'The manager does not run'],
  'store-unavailable': [503, 'The store can not be reached'],
}

/** A store that is away puts what its driver says into its message. */
const STORE_REDACTED = 'An action may have been done all the same: look before you repeat it.'

/** Says what went wrong: in the words of the error where it is one of ours, else only that something did. */
export function describeProblem(error: unknown, errors: FilledOptions['errors']): Problem {
  const known = BackgroundWorkerError.is(error) ? PROBLEMS[error.code] : undefined
  if (!known) return { status: 500, heading: 'Something failed', text: 'The log of the application says what.' }
  const [status, heading] = known
  const { code, message } = error as BackgroundWorkerError
  return { status, heading, text: errors === 'redacted' && code === 'store-unavailable' ? STORE_REDACTED : message }
}

/** What the audit keeps of an error. */
export function errorCode(error: unknown): string {
  return BackgroundWorkerError.is(error) ? error.code : 'unexpected error'
}
