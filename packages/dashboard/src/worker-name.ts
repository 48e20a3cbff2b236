import { isSlug } from '@background-workers/abstractions/for-managers'

/** Whether a name is one that `add` takes. Others can only be found in a damaged store; they are shown, and no more. */
export function isWorkerName(name: string): boolean {
  return isSlug(name) === undefined
}

/** The path of a worker's page from the dashboard's root. */
export function workerPath(name: string): string {
  return `workers/${encodeURIComponent(name)}`
}
