import {
  AsyncPeriodicBackgroundWorkerBase,
  type PeriodicBackgroundWorkerContext,
  cron,
} from '@background-workers/abstractions'
import type { LogFolder } from './log-folder.ts'

/** Deletes the log files that are older than 7 days. */
export class OldLogCleanerWorker extends AsyncPeriodicBackgroundWorkerBase {
  readonly name = 'old-log-cleaner'
  // Every other second, so that you see it work. In an application: cron('0 3 * * *'), each night at three.
  readonly schedule = cron('*/2 * * * * *')

  async doWork({ services, logger, signal }: PeriodicBackgroundWorkerContext) {
    const logFolder = services.resolve<LogFolder>('logFolder')
    const deleted: string[] = []
    for (const file of await logFolder.oldFiles()) {
      // Work that takes long looks at the signal, so that a stop or a cancel need not wait for all of it.
      signal.throwIfAborted()
      await logFolder.delete(file)
      deleted.push(file)
    }
    logger.info({ deleted }, 'old log files deleted')
  }
}
