/** Periodic work as every contestant gets it. Crons are read in UTC. */
export interface Job {
  readonly name: string
  readonly schedule: { readonly everyMs: number } | { readonly cron: string }
  readonly work: () => Promise<void>
}

/** One way to do periodic work in this process, driven as its documentation recommends. */
export interface MemoryContestant {
  readonly name: string
  /** Loads the library and makes what the user's own code holds (workers, tasks, functions): that is not measured. */
  open(jobs: readonly Job[]): Promise<OpenScheduler>
}

/** What is measured. */
interface OpenScheduler {
  /** Adds and starts all. */
  readonly start: () => void | Promise<void>
  /** When a job is due next, in ms since the epoch, where that can be asked. */
  readonly nextDueAt?: (index: number) => number | undefined | Promise<number | undefined>
  readonly stop: () => void | Promise<void>
}

/** @throws for a contestant that has only crons */
export function periodOf({ name, schedule }: Job): number {
  if (!('everyMs' in schedule)) throw new Error(`"${name}" has no period.`)
  return schedule.everyMs
}

/** Its cron; a period of a second becomes one, as users of a library that has only crons write it. */
export function cronOf({ name, schedule }: Job): string {
  if ('cron' in schedule) return schedule.cron
  if (schedule.everyMs !== 1_000) throw new Error(`"${name}" has a period that is no cron.`)
  return '* * * * * *'
}
