import {
  AsyncPeriodicBackgroundWorkerBase,
  type PeriodicBackgroundWorkerContext,
  every,
} from '@background-workers/abstractions'
import { waitForRun } from '@background-workers/abstractions/testing'
import { defaultBackgroundWorkerManager } from '@background-workers/default-manager/register'
import { BackgroundWorkersModule, createApplication, defineModule } from '@background-workers/hosting'
import { asClass, asFunction, asValue, createContainer } from 'awilix'
import { type Logger, pino } from 'pino'
import { describe, expect, it } from 'vitest'

class Mailer {
  readonly sent: string[] = []
}

/** One per attempt. */
class UserRepository {
  static live = 0
  static made = 0
  constructor() {
    UserRepository.live++
    UserRepository.made++
  }
  dispose() {
    UserRepository.live--
  }
}

abstract class DigestWorker extends AsyncPeriodicBackgroundWorkerBase {
  readonly name = 'digest'
  readonly schedule = every('30d')
  override readonly policy = { retry: { attempts: 2, backoffMs: 0 } }
  abstract readonly mailer: Mailer

  async doWork({ services, attempt, logger }: PeriodicBackgroundWorkerContext) {
    const repository = services.resolve<UserRepository>('userRepository')
    expect(services.resolve('userRepository')).toBe(repository)
    expect(UserRepository.live).toBe(1)
    this.mailer.sent.push(`attempt ${attempt}`)
    logger.info({ attempt }, 'digest sent')
    if (attempt === 1) throw new Error('mail server is away')
  }
}

class ProxyDigestWorker extends DigestWorker {
  readonly mailer: Mailer
  constructor({ mailer }: { mailer: Mailer }) {
    super()
    this.mailer = mailer
  }
}

class ClassicDigestWorker extends DigestWorker {
  readonly mailer: Mailer
  constructor(mailer: Mailer) {
    super()
    this.mailer = mailer
  }
}

/** Without a constructor: the base classes read nothing. */
class BareWorker extends AsyncPeriodicBackgroundWorkerBase {
  readonly name = 'bare'
  readonly schedule = every('30d')
  async doWork() {}
}

const modes = [
  { mode: 'default', container: createContainer(), Worker: ProxyDigestWorker },
  { mode: 'strict', container: createContainer({ strict: true }), Worker: ProxyDigestWorker },
  { mode: 'CLASSIC', container: createContainer({ injectionMode: 'CLASSIC' }), Worker: ClassicDigestWorker },
  {
    mode: 'strict CLASSIC',
    container: createContainer({ injectionMode: 'CLASSIC', strict: true }),
    Worker: ClassicDigestWorker,
  },
]

describe.each(modes)('an awilix container ($mode) with a pino logger', ({ container, Worker }) => {
  it('is taken as it is: constructor injection, one scope for each attempt, disposed after it', async () => {
    UserRepository.made = 0
    const lines: { msg: string; worker?: string; module?: string; level: number }[] = []
    const logger: Logger = pino({ level: 'debug' }, { write: (line) => void lines.push(JSON.parse(line)) })
    const typed = container.register({
      logger: asValue(logger),
      mailer: asClass(Mailer).singleton(),
      userRepository: asFunction(() => new UserRepository())
        .scoped()
        .disposer((repository) => repository.dispose()),
    })
    const root = defineModule({
      name: 'digest-app',
      dependsOn: [BackgroundWorkersModule],
      configureServices(services) {
        services.register(defaultBackgroundWorkerManager())
      },
      async onApplicationInitialization(context) {
        const worker = await context.addBackgroundWorker(Worker)
        expect(worker.mailer).toBe(context.services.resolve<Mailer>('mailer'))
        await context.addBackgroundWorker(BareWorker)
        context.logger.info({}, 'workers added')
      },
    })
    const application = await createApplication(root, { container: typed, logger })
    await application.start()
    const manager = application.backgroundWorkerManager
    const runId = await manager.trigger('digest')
    expect(await waitForRun(manager, 'digest', { runId })).toMatchObject({ outcome: 'succeeded', attempts: 2 })
    const bareRunId = await manager.trigger('bare')
    expect((await waitForRun(manager, 'bare', { runId: bareRunId })).outcome).toBe('succeeded')
    expect(typed.cradle.mailer.sent).toEqual(['attempt 1', 'attempt 2'])
    expect([UserRepository.made, UserRepository.live]).toEqual([2, 0])
    await application.stop()
    expect(lines.filter(({ msg }) => msg === 'digest sent')).toMatchObject([{ worker: 'digest' }, { worker: 'digest' }])
    expect(lines.find(({ msg }) => msg === 'workers added')?.module).toBe('digest-app')
    await typed.dispose()
  })
})
