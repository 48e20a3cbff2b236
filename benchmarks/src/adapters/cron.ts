import type { CronJob } from 'cron'
import { type MemoryContestant, cronOf } from './memory-contestant.ts'

/** `CronJob.from({ … })`. */
export const cron: MemoryContestant = {
  name: 'cron',
  open: async (jobs) => {
    const library = await import('cron')
    const started: CronJob<null, null>[] = []
    return {
      start: () => {
        for (const job of jobs) {
          const options = { cronTime: cronOf(job), onTick: job.work, start: true, timeZone: 'UTC' }
          started.push(library.CronJob.from<null, null>(options))
        }
      },
      nextDueAt: (index) => started[index]?.nextDate().toMillis(),
      stop: async () => {
        for (const job of started) await job.stop()
      },
    }
  },
}
