import { installed } from '../installed.ts'
import { CONCURRENCY, type RedisContestant, type RedisJob } from './redis-contestant.ts'

type Abstractions = typeof import('@background-workers/abstractions')
type BullMqManager = typeof import('@background-workers/bullmq-manager')
type Context = import('@background-workers/abstractions').PeriodicBackgroundWorkerContext

/** Ours: overlap guard, decision and record included. */
export const bullMqManager: RedisContestant = {
  name: 'bullmq-manager',
  open: async (jobs, { url, work }) => {
    const { AsyncPeriodicBackgroundWorkerBase, cron, every } = await installed<Abstractions>(
      '@background-workers/abstractions',
    )
    const { BullMqBackgroundWorkerManager } = await installed<BullMqManager>('@background-workers/bullmq-manager')

    function scheduleOf({ schedule }: RedisJob) {
      return 'cron' in schedule ? cron(schedule.cron) : every(schedule.everyMs, { offset: schedule.offsetMs })
    }

    class JobWorker extends AsyncPeriodicBackgroundWorkerBase {
      readonly name: string
      readonly schedule: ReturnType<typeof scheduleOf>

      constructor(job: RedisJob) {
        super()
        this.name = job.name
        this.schedule = scheduleOf(job)
      }

      doWork({ scheduledFor }: Context): Promise<void> {
        return work(this.name, scheduledFor.getTime())
      }
    }

    const manager = new BullMqBackgroundWorkerManager({
      applicationName: 'bench',
      connection: url,
      concurrency: CONCURRENCY,
      // Raw BullMQ runs what is late, however late it is.
      defaultPolicy: { catchUpWindowMs: 3_600_000 },
    })
    return {
      start: async () => {
        for (const job of jobs) await manager.add(new JobWorker(job))
        await manager.start()
      },
      stop: async () => {
        await manager.stop()
      },
    }
  },
}
