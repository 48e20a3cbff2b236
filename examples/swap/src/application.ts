import { bullMqBackgroundWorkerManager } from '@background-workers/bullmq-manager/register'
import { defaultBackgroundWorkerManager } from '@background-workers/default-manager/register'
import { BackgroundWorkersModule, createApplication, defineModule } from '@background-workers/hosting'
import { asClass } from 'awilix'
import { pino } from 'pino'
import { Mailbox, describeMailboxes } from './mailbox.ts'
import { operate } from './operate.ts'
import { RunLog } from './run-log.ts'
import { DigestWorker, FlakyReportWorker, ImportWorker, SlowExportWorker } from './workers.ts'

const { MANAGER = 'default', REDIS_URL = 'redis://127.0.0.1:6379', APPLICATION_NAME = 'swap' } = process.env

const AppModule = defineModule({
  name: 'swap',
  dependsOn: [BackgroundWorkersModule],

  configureServices(container) {
    // The swap. Nothing else in this application depends on it.
    container.register(
      MANAGER === 'bullmq'
        ? bullMqBackgroundWorkerManager({ connection: REDIS_URL, applicationName: APPLICATION_NAME })
        : defaultBackgroundWorkerManager({ applicationName: APPLICATION_NAME }),
    )
    container.register({
      mailbox: asClass(Mailbox)
        .scoped()
        .disposer((mailbox) => mailbox.close()),
    })
  },

  async onApplicationInitialization(context) {
    await context.addBackgroundWorker(DigestWorker)
    await context.addBackgroundWorker(FlakyReportWorker)
    await context.addBackgroundWorker(ImportWorker)
    await context.addBackgroundWorker(SlowExportWorker)
  },
})

// The log goes to stderr, and only what is wrong with the application itself: stdout is for what the workers have done.
const logger = pino({ level: 'fatal' }, pino.destination(2))
const application = await createApplication(AppModule, { logger })
const log = new RunLog(application.backgroundWorkerManager)
await application.start()
await log.untilEachHasRun(3)
const operations = await operate(application.backgroundWorkerManager, log)
const { abandoned } = await application.stop()

// The process ends by itself: the manager leaves no timer and no connection.
console.log([...log.describe(), ...describeMailboxes(), ...operations, `abandoned     ${abandoned.length}`].join('\n'))
