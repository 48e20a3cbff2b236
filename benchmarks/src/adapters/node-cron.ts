import type { ScheduledTask } from 'node-cron'
import { type MemoryContestant, cronOf } from './memory-contestant.ts'

/** `cron.schedule(expression, function, options)`. */
export const nodeCron: MemoryContestant = {
  name: 'node-cron',
  open: async (jobs) => {
    const { default: cron } = await import('node-cron')
    // It warns of each slot that it misses, on the console.
    cron.setLogger({ info() {}, warn() {}, error() {}, debug() {} })
    const started: ScheduledTask[] = []
    return {
      start: () => {
        for (const job of jobs) started.push(cron.schedule(cronOf(job), job.work, { name: job.name, timezone: 'UTC' }))
      },
      nextDueAt: (index) => started[index]?.getNextRun()?.getTime(),
      stop: async () => {
        for (const task of started) await task.stop()
      },
    }
  },
}
