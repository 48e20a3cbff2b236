import { type MemoryContestant, periodOf } from './memory-contestant.ts'

/** Node's own timers: nothing is caught, and runs overlap. */
export const rawSetInterval: MemoryContestant = {
  name: 'setInterval',
  open: async (jobs) => {
    const timers: NodeJS.Timeout[] = []
    return {
      start: () => {
        for (const job of jobs) timers.push(setInterval(job.work as () => void, periodOf(job)))
      },
      stop: () => {
        for (const timer of timers) clearInterval(timer)
      },
    }
  },
}
