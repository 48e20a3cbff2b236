// Every package and every entry, in an application with modules, a container and pino.
import { InvalidWorkerError, type Schedule, cron, every, periodicWorker } from '@background-workers/abstractions'
import { stableHash } from '@background-workers/abstractions/for-managers'
import {
  ManualClock,
  RecordingLogger,
  managerContract,
  runOnce,
  waitForRun,
} from '@background-workers/abstractions/testing'
import { BullMqBackgroundWorkerManager, type BullMqManagerOptions } from '@background-workers/bullmq-manager'
import { bullMqBackgroundWorkerManager } from '@background-workers/bullmq-manager/register'
import { type DashboardOptions, createDashboard } from '@background-workers/dashboard'
import { DefaultBackgroundWorkerManager, type DefaultManagerOptions } from '@background-workers/default-manager'
import { defaultBackgroundWorkerManager } from '@background-workers/default-manager/register'
import { BackgroundWorkersModule, createApplication, defineModule } from '@background-workers/hosting'
import { createHealthHandler } from '@background-workers/hosting/health'
import { instrumentBackgroundWorkers } from '@background-workers/opentelemetry'
import { RedisDistributedLock, type RedisLockOptions } from '@background-workers/redis-lock'
import { redisDistributedLock } from '@background-workers/redis-lock/register'
import { asValue, createContainer } from 'awilix'
import { pino } from 'pino'

const schedule: Schedule = cron('0 3 * * *', { timeZone: 'Europe/Berlin' })
const digest = periodicWorker({
  name: 'send-digest',
  schedule,
  async doWork({ services, logger }) {
    logger.info({ sender: services.resolve<string>('sender') }, 'sent')
  },
})

const logger = new RecordingLogger()
const alone = await runOnce(digest, { services: { sender: 'test' }, logger })

const AppModule = defineModule({
  name: 'app',
  dependsOn: [BackgroundWorkersModule],
  configureServices(container) {
    container.register(defaultBackgroundWorkerManager({ stopTimeoutMs: 1_000 }))
    container.register({ sender: asValue('app') })
  },
  async onApplicationInitialization(context) {
    await context.addBackgroundWorker(digest)
  },
})
const container = createContainer<{ backgroundWorkerManager: DefaultBackgroundWorkerManager }>()
container.register({ logger: asValue(pino({ level: 'silent' })) })
const application = await createApplication(AppModule, { container })
await application.start()
const manager = container.resolve('backgroundWorkerManager')
const hosted = await waitForRun(manager, 'send-digest', { runId: await manager.trigger('send-digest') })
await application.stop()

// A Redis is not needed before the start.
const bullMqOptions: BullMqManagerOptions = { connection: 'redis://127.0.0.1:1' }
const withBullMq = createContainer<{ backgroundWorkerManager: BullMqBackgroundWorkerManager }>()
withBullMq.register(bullMqBackgroundWorkerManager(bullMqOptions))
await withBullMq.resolve('backgroundWorkerManager').add(digest)

const plainOptions: DefaultManagerOptions = { logger }
const plain = new DefaultBackgroundWorkerManager(plainOptions)
await plain.add(periodicWorker({ name: 'other', schedule: every('1h'), doWork() {} }))

// What looks at a manager, and what several share.
const dashboardOptions: DashboardOptions = { manager: plain, authorize: () => ({ by: 'consumer' }) }
const dashboard = createDashboard(dashboardOptions)
const page = await dashboard.fetch(new Request('http://127.0.0.1/'))
dashboard.close()
const instrumentation = instrumentBackgroundWorkers(plain, { applicationName: 'consumer' })
instrumentation.dispose()
const lockOptions: RedisLockOptions = { connection: 'redis://127.0.0.1:1' }
const lock = createContainer().register(redisDistributedLock(lockOptions)).resolve('distributedLock')
await lock[Symbol.asyncDispose]()

// The suite for those who write a manager: here it only hands over its tests, and the first is run.
const clock = new ManualClock()
const tests: (() => Promise<void>)[] = []
managerContract({
  runner: { describe: (_title, body) => body(), it: (_title, test) => tests.push(test) },
  createManager: (options) => new DefaultBackgroundWorkerManager({ ...options, clock }),
  shortPeriodMs: 50,
  advance: (ms) => clock.advance(ms),
})
await tests[0]?.()

// Entries of one package share their classes.
const misnamed = { ...digest, name: 'Not a slug' }
const refusedByTesting: unknown = await runOnce(misnamed).catch((error) => error)
const refusedByManager: unknown = await plain.add(misnamed).catch((error) => error)

console.log(
  JSON.stringify({
    alone: alone.outcome,
    hosted: hosted.outcome,
    page: [page.status, (await page.text()).includes('other')],
    lock: lock instanceof RedisDistributedLock,
    handler: typeof createHealthHandler(plain),
    workers: (await plain.list()).map(({ name }) => name),
    hash: typeof stableHash('send-digest'),
    hasContract: tests.length > 10,
    sharesClasses: [
      refusedByTesting instanceof InvalidWorkerError,
      refusedByManager instanceof InvalidWorkerError,
      manager instanceof DefaultBackgroundWorkerManager,
      withBullMq.resolve('backgroundWorkerManager') instanceof BullMqBackgroundWorkerManager,
    ],
    errorName: (refusedByManager as Error).name,
  }),
)
