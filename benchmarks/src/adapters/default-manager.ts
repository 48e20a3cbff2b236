import { tracingChannel } from 'node:diagnostics_channel'
import type { DefaultManagerOptions } from '@background-workers/default-manager'
import { INSTALLED, INSTALLED_UNPUBLISHED, installed } from '../installed.ts'
import { type Job, type MemoryContestant, cronOf } from './memory-contestant.ts'

type Abstractions = typeof import('@background-workers/abstractions')
type DefaultManager = typeof import('@background-workers/default-manager')
type Context = import('@background-workers/abstractions').PeriodicBackgroundWorkerContext

/** Ours, without a container and without a logger. */
export const defaultManager = contestant('default-manager', async () => ({}))

/** Ours with a subscriber of the tracing channel that does nothing: what publishing costs when somebody listens. */
export const defaultManagerWatched = contestant('default-manager, with a subscriber', async () => {
  tracingChannel('background-workers:run').subscribe({
    start() {},
    end() {},
    asyncStart() {},
    asyncEnd() {},
    error() {},
  })
  return {}
})

/** Ours where nothing publishes a run: neither on the tracing channel nor as an event. */
export const defaultManagerUnpublished = contestant('default-manager, publishing cut out', async () => ({}), {
  folder: INSTALLED_UNPUBLISHED,
})

/** Ours where `every` becomes a cron, to compare it with libraries that have only crons. */
export const defaultManagerCron = contestant('default-manager, cron', async () => ({}), { isCron: true })

/** Ours with an awilix container and a pino logger, whose workers touch neither them nor the signal. */
export const defaultManagerGiven = contestant('default-manager, container + logger', containerAndLogger)

/** The same, where each run uses its scope, its signal and its logger. */
export const defaultManagerFull = contestant('default-manager, scope + signal + logger', containerAndLogger, {
  use: (context) => {
    context.services.resolve('repository')
    context.signal.throwIfAborted()
    context.logger.debug('working')
  },
})

async function containerAndLogger(): Promise<DefaultManagerOptions> {
  const { asFunction, createContainer } = await import('awilix')
  const { pino } = await import('pino')
  const container = createContainer()
  container.register({ repository: asFunction(() => ({})).scoped() })
  return { scopeFactory: container, logger: pino({ level: 'info' }, { write() {} }) }
}

function contestant(
  name: string,
  createOptions: () => Promise<DefaultManagerOptions>,
  {
    isCron = false,
    use,
    folder = INSTALLED,
  }: { readonly isCron?: boolean; readonly use?: (context: Context) => void; readonly folder?: string } = {},
): MemoryContestant {
  return {
    name,
    open: async (jobs) => {
      const { AsyncPeriodicBackgroundWorkerBase, cron, every } = await installed<Abstractions>(
        '@background-workers/abstractions',
        folder,
      )
      const { DefaultBackgroundWorkerManager } = await installed<DefaultManager>(
        '@background-workers/default-manager',
        folder,
      )

      function scheduleOf(job: Job) {
        return 'everyMs' in job.schedule && !isCron ? every(job.schedule.everyMs) : cron(cronOf(job))
      }

      class JobWorker extends AsyncPeriodicBackgroundWorkerBase {
        readonly name: string
        readonly schedule: ReturnType<typeof scheduleOf>
        readonly #work: () => Promise<void>

        constructor(job: Job) {
          super()
          this.name = job.name
          this.schedule = scheduleOf(job)
          this.#work = job.work
        }

        doWork(context: Context): Promise<void> {
          use?.(context)
          return this.#work()
        }
      }

      const manager = new DefaultBackgroundWorkerManager(await createOptions())
      const workers = 'everyMs' in (jobs[0] as Job).schedule ? jobs.map((job) => new JobWorker(job)) : undefined
      return {
        start: async () => {
          // Making a cron checks it; peers do that when they start, so for crons it is measured.
          for (const worker of workers ?? jobs.map((job) => new JobWorker(job))) await manager.add(worker)
          await manager.start()
        },
        nextDueAt: async (index) => (await manager.get(jobs[index]?.name ?? ''))?.nextDueAt?.getTime(),
        stop: async () => {
          await manager.stop()
        },
      }
    },
  }
}
