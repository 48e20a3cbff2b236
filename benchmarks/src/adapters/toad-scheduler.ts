import { type MemoryContestant, cronOf } from './memory-contestant.ts'

/** `AsyncTask`, as its README asks for asynchronous work; no overlap by default. Crons are croner's. */
export const toadScheduler: MemoryContestant = {
  name: 'toad-scheduler',
  open: async (jobs) => {
    const { AsyncTask, CronJob, SimpleIntervalJob, ToadScheduler } = await import('toad-scheduler')
    const tasks = jobs.map((job) => ({ job, task: new AsyncTask(job.name, job.work) }))
    const scheduler = new ToadScheduler()
    return {
      start: () => {
        for (const { job, task } of tasks) {
          const id = job.name
          if ('everyMs' in job.schedule) {
            scheduler.addSimpleIntervalJob(new SimpleIntervalJob({ milliseconds: job.schedule.everyMs }, task, { id }))
          } else {
            scheduler.addCronJob(new CronJob({ cronExpression: cronOf(job), timezone: 'UTC' }, task, { id }))
          }
        }
      },
      stop: () => scheduler.stop(),
    }
  },
}
