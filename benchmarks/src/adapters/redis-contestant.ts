/** Periodic work on Redis. Crons are read in UTC. */
export interface RedisJob {
  readonly name: string
  readonly schedule: { readonly everyMs: number; readonly offsetMs: number } | { readonly cron: string }
}

/** What all contestants of one sample share. */
interface RedisSetting {
  readonly url: string
  /** What each run does. `slot` in ms since the epoch. */
  readonly work: (name: string, slot: number) => Promise<void>
}

/** How many runs a contestant runs at a time. */
export const CONCURRENCY = 50

/** One way to do periodic work on Redis, driven as its documentation recommends. */
export interface RedisContestant {
  readonly name: string
  /** Loads the library: that is not measured. */
  open(jobs: readonly RedisJob[], setting: RedisSetting): Promise<OpenRedisScheduler>
}

/** What is measured. */
interface OpenRedisScheduler {
  /** Connects, declares all jobs and takes their runs. */
  readonly start: () => Promise<void>
  readonly stop: () => Promise<void>
}
