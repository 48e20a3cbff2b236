import type { Given } from './given-options.ts'
import type { PauseOptions } from './manager.ts'

/** Why a worker is paused, by whom and since when. */
export interface PauseInfo {
  readonly note?: string
  readonly by?: string
  readonly since: Date
}

/** What a pause leaves: one of a worker that is paused already changes why and by whom, and not since when. */
export function pauseInfo(options: Given<PauseOptions>, before: PauseInfo | undefined, now: number): PauseInfo {
  return { ...options, since: before?.since ?? new Date(now) }
}
