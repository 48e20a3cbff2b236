import type { Cron } from 'croner'
import { type MemoryContestant, cronOf } from './memory-contestant.ts'

/** `new Cron(pattern, options, function)`. */
export const croner: MemoryContestant = {
  name: 'croner',
  open: async (jobs) => {
    const { Cron } = await import('croner')
    const started: Cron[] = []
    return {
      start: () => {
        for (const job of jobs) started.push(new Cron(cronOf(job), { timezone: 'UTC' }, job.work))
      },
      nextDueAt: (index) => started[index]?.nextRun()?.getTime(),
      stop: () => {
        for (const cron of started) cron.stop()
      },
    }
  },
}
