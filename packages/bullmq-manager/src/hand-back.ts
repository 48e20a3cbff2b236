import { DelayedError, type Job, WaitingError } from 'bullmq'

/** How long a run that is handed back waits, in ms, so that another instance can take it. */
export const HAND_BACK_MS = 2_000

/** How long it waits the first time where another instance is known to have its worker; twice as long each time after. */
const FIRST_HAND_BACK_MS = 100

/** How often a run goes back before it is given up, where no live instance has its worker. */
export const MAX_HAND_BACKS = 5

/** A run job that was fetched, and the token of the lease on it. */
export interface FetchedJob {
  readonly job: Job
  readonly token: string | undefined
}

/**
 * How long a run waits that this instance has no worker for, in ms. Whoever is free first has it next, so where it has one to go
 * to it comes again soon; and less and less often while that one is busy.
 */
export function handBackMs(handBacks: number, isDeclaredElsewhere: boolean): number {
  return isDeclaredElsewhere ? Math.min(FIRST_HAND_BACK_MS * 2 ** handBacks, HAND_BACK_MS) : HAND_BACK_MS
}

/** A run that was fetched and not started goes back to the queue, for another instance or the next start. */
export async function giveBack({ job, token }: FetchedJob): Promise<never> {
  await job.moveToWait(token)
  throw new WaitingError()
}

/** It comes again later. Never moveToWait: that would be a hot loop of 870 hand-backs a second. */
export async function putOff({ job, token }: FetchedJob, delayMs: number): Promise<never> {
  await job.moveToDelayed(Date.now() + delayMs, token)
  throw new DelayedError()
}

/** Whether the error says to BullMQ that the job has gone back. */
export function isGivenBack(error: unknown): boolean {
  return error instanceof DelayedError || error instanceof WaitingError
}

/** A job that has not gone back stays active, so whoever finds it starts the run, or records it as lost; else BullMQ would fail it. */
export function leaveActive(error: unknown): never {
  throw isGivenBack(error) ? error : new WaitingError()
}

/** How often the job was handed back before: its starts without this one and those that a dead process had begun. */
export function handBacksOf(job: Job): number {
  return job.attemptsStarted - 1 - job.stalledCounter
}
