import {
  BackgroundWorkerBase,
  DuplicateWorkerError,
  InvalidOptionsError,
  ManagerStoppedError,
  type PeriodicBackgroundWorkerContext,
  every,
  periodicWorker,
} from '@background-workers/abstractions'
import { RecordingLogger, waitForRun } from '@background-workers/abstractions/testing'
import { defaultBackgroundWorkerManager } from '@background-workers/default-manager/register'
import {
  type ApplicationInitializationContext,
  type ApplicationModule,
  BackgroundWorkersModule,
  createApplication,
  defineModule,
} from '@background-workers/hosting'
import { type AwilixContainer, asFunction, asValue, createContainer } from 'awilix'
import { beforeEach, describe, expect, it, vi } from 'vitest'

class PlainWorker extends BackgroundWorkerBase {
  readonly name = 'plain'
  static readonly calls: string[] = []
  override async start() {
    PlainWorker.calls.push('start')
  }
  override async stop() {
    PlainWorker.calls.push('stop')
  }
}

beforeEach(() => {
  PlainWorker.calls.length = 0
})

const neverDue = { schedule: every('30d') }
const idleWorker = (name: string) => periodicWorker({ name, ...neverDue, doWork() {} })

/** A module that writes down what is called. */
function tracked(calls: string[], name: string, ...dependsOn: ApplicationModule[]): ApplicationModule {
  return defineModule({
    name,
    dependsOn,
    configureServices: () => void calls.push(`configure ${name}`),
    onApplicationInitialization: () => void calls.push(`initialize ${name}`),
    onApplicationShutdown: () => void calls.push(`shut down ${name}`),
  })
}

/** A root module with the default manager; each test adds what it is about. */
function withWorkers(parts: Partial<ApplicationModule>, ...dependsOn: ApplicationModule[]): ApplicationModule {
  return {
    name: 'root',
    dependsOn: [BackgroundWorkersModule, ...dependsOn],
    configureServices: (container) => void container.register(defaultBackgroundWorkerManager()),
    ...parts,
  }
}

describe('createApplication', () => {
  it('configures every module in dependency order and initializes none', async () => {
    const calls: string[] = []
    const base = tracked(calls, 'base')
    await createApplication(tracked(calls, 'root', tracked(calls, 'left', base), tracked(calls, 'right', base)))
    expect(calls).toEqual(['configure base', 'configure left', 'configure right', 'configure root'])
  })

  it('waits for an asynchronous configureServices', async () => {
    const slow = defineModule({
      name: 'slow',
      async configureServices(container) {
        await Promise.resolve()
        container.register({ table: asValue('users') })
      },
    })
    const seen: boolean[] = []
    const configureServices = (container: AwilixContainer) => void seen.push(container.hasRegistration('table'))
    await createApplication({ name: 'root', dependsOn: [slow], configureServices })
    expect(seen).toEqual([true])
  })

  it('says what to register when there is no manager', async () => {
    const created = createApplication({ name: 'root', dependsOn: [BackgroundWorkersModule] })
    await expect(created).rejects.toThrow(InvalidOptionsError)
    await expect(created).rejects.toThrow('container.register(defaultBackgroundWorkerManager())')
  })

  it('disposes its own container when configuring fails', async () => {
    const disposed: string[] = []
    const created = createApplication({
      name: 'root',
      configureServices(container) {
        const resource = asFunction(() => ({})).singleton()
        container.register({ resource: resource.disposer(() => void disposed.push('resource')) })
        container.resolve('resource')
        throw new Error('no configuration')
      },
    })
    await expect(created).rejects.toThrow('no configuration')
    expect(disposed).toEqual(['resource'])
  })

  it('refuses unknown options and what is no container', async () => {
    const root = defineModule({ name: 'root' })
    await expect(createApplication(root, { containr: 1 } as never)).rejects.toThrow(/unknown option "containr"/)
    await expect(createApplication(root, { container: {} as never })).rejects.toThrow(
      /"container" must have the method/,
    )
    await expect(createApplication(root, { logger: {} as never })).rejects.toThrow(/"logger" must have the method/)
    await expect(createApplication(undefined as never)).rejects.toThrow(/the root module is undefined/)
  })

  it('refuses a registered logger that is none', async () => {
    const container = createContainer().register({ logger: asValue({}) })
    await expect(createApplication({ name: 'root' }, { container })).rejects.toThrow(
      /the registered "logger" must have/,
    )
  })

  it('takes the logger of the container, or gives it the one of the options', async () => {
    const logger = new RecordingLogger()
    const registered = createContainer().register({ logger: asValue(logger) })
    expect((await createApplication({ name: 'root' }, { container: registered })).logger).toBe(logger)
    const application = await createApplication({ name: 'root' }, { logger })
    expect(application.container.resolve('logger')).toBe(logger)
    const other = new RecordingLogger()
    await createApplication({ name: 'root' }, { container: registered, logger: other })
    expect(registered.resolve('logger')).toBe(logger)
  })
})

describe('an application', () => {
  it('initializes in dependency order and then starts the manager; stops in reverse', async () => {
    const calls: string[] = []
    const addingWorker = defineModule({
      name: 'adding',
      dependsOn: [BackgroundWorkersModule],
      async onApplicationInitialization(context) {
        await context.addBackgroundWorker(PlainWorker)
        calls.push(`manager ${context.backgroundWorkerManager.state}`)
      },
      onApplicationShutdown: () => void calls.push(`plain worker: ${PlainWorker.calls.join(', ')}`),
    })
    const base = tracked(calls, 'base')
    const root = withWorkers(
      {
        onApplicationInitialization: () => void calls.push(`plain worker: ${PlainWorker.calls.join(', ')}`),
        onApplicationShutdown: () => void calls.push('shut down root'),
      },
      base,
      addingWorker,
    )
    const application = await createApplication(root)
    expect(application.state).toBe('idle')
    await application.start()
    expect(application.state).toBe('running')
    expect(application.backgroundWorkerManager.state).toBe('running')
    expect(PlainWorker.calls).toEqual(['start'])
    const report = await application.stop()
    expect(application.state).toBe('stopped')
    expect(report).toEqual({ finished: 0, abandoned: [], errors: [] })
    expect(calls).toEqual([
      'configure base',
      'initialize base',
      'manager idle',
      'plain worker: ',
      'shut down root',
      'plain worker: start, stop',
      'shut down base',
    ])
  })

  it('shares one start and one stop between all calls', async () => {
    const calls: string[] = []
    const application = await createApplication(tracked(calls, 'root'))
    await Promise.all([application.start(), application.start()])
    await application.start()
    const reports = await Promise.all([application.stop(), application.stop(), application.stopped])
    expect(new Set(reports).size).toBe(1)
    expect(await application.stop()).toBe(reports[0])
    expect(calls).toEqual(['configure root', 'initialize root', 'shut down root'])
  })

  it('runs once: a start after the stop is refused', async () => {
    const application = await createApplication({ name: 'root' })
    await application.start()
    await application.stop()
    await expect(application.start()).rejects.toThrow(ManagerStoppedError)
    await expect(application.start()).rejects.toThrow(/Make a new one/)
  })

  it('refuses unknown options of a stop, and goes on', async () => {
    const application = await createApplication({ name: 'root' })
    await application.start()
    await expect(application.stop({ timeout: 1 } as never)).rejects.toThrow(InvalidOptionsError)
    expect(application.state).toBe('running')
    await application.stop()
  })

  it('shuts nothing down that was not started', async () => {
    const calls: string[] = []
    const application = await createApplication(tracked(calls, 'root'))
    expect(await application.stop()).toEqual({ finished: 0, abandoned: [], errors: [] })
    expect(calls).toEqual(['configure root'])
  })

  it('stops at the end of its block', async () => {
    const calls: string[] = []
    {
      await using application = await createApplication(tracked(calls, 'root'))
      await application.start()
    }
    expect(calls).toContain('shut down root')
  })

  it("disposes a container of its own, and leaves the caller's", async () => {
    const disposed: string[] = []
    const using = (name: string): ApplicationModule => ({
      name,
      configureServices(container) {
        const resource = asFunction(() => ({})).singleton()
        container.register({ resource: resource.disposer(() => void disposed.push(name)) })
      },
      onApplicationInitialization: ({ services }) => void services.resolve('resource'),
      onApplicationShutdown: () => void disposed.push(`${name} is shut down`),
    })
    const own = await createApplication(using('own'))
    await own.start()
    await own.stop()
    expect(disposed).toEqual(['own is shut down', 'own'])
    const container = createContainer()
    const caller = await createApplication(using('caller'), { container })
    await caller.start()
    await caller.stop()
    expect(disposed).toEqual(['own is shut down', 'own', 'caller is shut down'])
    await container.dispose()
    expect(disposed).toContain('caller')
  })

  it('stops what it can when a hook or disposer fails, logs each and reports them', async () => {
    const logger = new RecordingLogger()
    const calls: string[] = []
    const failure = new Error('socket is gone')
    const disposal = new Error('pool is gone')
    const failing = defineModule({
      name: 'failing',
      dependsOn: [tracked(calls, 'base')],
      configureServices(container) {
        const pool = asFunction(() => ({})).singleton()
        container.register({ pool: pool.disposer(() => Promise.reject(disposal)) })
      },
      onApplicationInitialization: ({ services }) => void services.resolve('pool'),
      onApplicationShutdown: () => Promise.reject(failure),
    })
    const application = await createApplication(failing, { logger })
    await application.start()
    expect((await application.stop()).errors).toEqual([failure, disposal])
    expect(calls).toContain('shut down base')
    expect(logger.linesOf('module failed to shut down')[0]?.data).toEqual({ err: failure, module: 'failing' })
    expect(logger.linesOf('container failed to dispose')).toHaveLength(1)
  })

  it('works with a manager that is disabled', async () => {
    const application = await createApplication(
      withWorkers({
        configureServices: (container) => void container.register(defaultBackgroundWorkerManager({ isEnabled: false })),
        async onApplicationInitialization({ addBackgroundWorker }) {
          await addBackgroundWorker(PlainWorker)
        },
      }),
    )
    await application.start()
    expect((await application.health()).status).toBe('ok')
    expect(await application.backgroundWorkerManager.list()).toHaveLength(1)
    await application.stop()
    expect(PlainWorker.calls).toEqual([])
  })

  it('tells its health before, during and after', async () => {
    const application = await createApplication(withWorkers({}))
    expect(await application.health()).toMatchObject({ status: 'unhealthy', reasons: [{ code: 'not-running' }] })
    await application.start()
    expect(await application.health()).toEqual({ status: 'ok', reasons: [] })
    await application.stop()
    expect((await application.health()).status).toBe('unhealthy')
  })

  it('is well while it runs without workers', async () => {
    const application = await createApplication({ name: 'no-workers' })
    await application.start()
    expect(await application.health()).toEqual({ status: 'ok', reasons: [] })
    await application.stop()
  })
})

describe('a failed start', () => {
  it('leaves what is initialized, and goes on from there when it is tried again', async () => {
    const calls: string[] = []
    const logger = new RecordingLogger()
    let isDown = true
    const flaky = defineModule({
      name: 'flaky',
      dependsOn: [tracked(calls, 'base')],
      onApplicationInitialization() {
        calls.push('try flaky')
        if (isDown) throw new Error('database is away')
      },
      onApplicationShutdown: () => void calls.push('shut down flaky'),
    })
    const application = await createApplication(tracked(calls, 'root', flaky), { logger })
    calls.length = 0
    await expect(application.start()).rejects.toThrow('database is away')
    expect(application.state).toBe('idle')
    await expect(application.start()).rejects.toThrow('database is away')
    expect(logger.linesOf('module failed to initialize')[0]?.data).toMatchObject({ module: 'flaky' })
    isDown = false
    await application.start()
    await application.stop()
    expect(calls).toEqual([
      'initialize base',
      'try flaky',
      'try flaky',
      'try flaky',
      'initialize root',
      'shut down root',
      'shut down flaky',
      'shut down base',
    ])
  })

  it('is taken back by stop, in reverse, without the module that failed', async () => {
    const calls: string[] = []
    const failing = defineModule({
      name: 'failing',
      dependsOn: [tracked(calls, 'second', tracked(calls, 'first'))],
      onApplicationInitialization: () => Promise.reject(new Error('no')),
      onApplicationShutdown: () => void calls.push('shut down failing'),
    })
    const application = await createApplication(failing)
    calls.length = 0
    await expect(application.start()).rejects.toThrow('no')
    await application.stop()
    expect(calls).toEqual(['initialize first', 'initialize second', 'shut down second', 'shut down first'])
  })

  it('of the manager is tried again without calling the hooks again', async () => {
    const initialize = vi.fn(
      async ({ addBackgroundWorker, backgroundWorkerManager }: ApplicationInitializationContext) => {
        await addBackgroundWorker(PlainWorker)
        await backgroundWorkerManager.add(idleWorker('by-hand'))
      },
    )
    const container = createContainer()
    const application = await createApplication(withWorkers({ onApplicationInitialization: initialize }), { container })
    const manager = application.backgroundWorkerManager
    const start = vi.spyOn(manager, 'start').mockRejectedValueOnce(new Error('redis is away'))
    await expect(application.start()).rejects.toThrow('redis is away')
    await application.start()
    expect(manager.state).toBe('running')
    expect(start).toHaveBeenCalledTimes(2)
    expect(initialize).toHaveBeenCalledTimes(1)
    expect(await manager.list()).toHaveLength(2)
    await application.stop()
  })

  it('gives the workers that a failed hook had added back to its next try', async () => {
    const logger = new RecordingLogger()
    let isDown = true
    const workers: unknown[] = []
    const application = await createApplication(
      withWorkers({
        async onApplicationInitialization({ addBackgroundWorker }) {
          workers.push(await addBackgroundWorker(PlainWorker), await addBackgroundWorker(idleWorker('made-in-hook')))
          if (isDown) throw new Error('database is away')
          await expect(addBackgroundWorker(PlainWorker)).rejects.toThrow(DuplicateWorkerError)
        },
      }),
      { logger },
    )
    await expect(application.start()).rejects.toThrow('database is away')
    await expect(application.start()).rejects.toThrow('database is away')
    isDown = false
    await application.start()
    expect(workers).toHaveLength(6)
    expect(new Set(workers).size).toBe(2)
    const kept = logger.linesOf('worker was added by a try that failed and is kept; make it once, outside of the hook')
    expect(kept.map(({ data }) => data.worker)).toEqual(['made-in-hook', 'made-in-hook'])
    await application.stop()
  })
})

describe('a stop during the start', () => {
  it('waits for the hook that is being called and starts nothing after it', async () => {
    const calls: string[] = []
    const isCalled = Promise.withResolvers<void>()
    const mayReturn = Promise.withResolvers<void>()
    const slow = defineModule({
      name: 'slow',
      async onApplicationInitialization() {
        isCalled.resolve()
        await mayReturn.promise
        calls.push('slow is initialized')
      },
      onApplicationShutdown: () => void calls.push('shut down slow'),
    })
    const root = withWorkers({ onApplicationInitialization: () => void calls.push('root is initialized') }, slow)
    const application = await createApplication(root)
    const starting = application.start()
    starting.catch(() => undefined)
    await isCalled.promise
    const stopping = application.stop()
    mayReturn.resolve()
    await stopping
    await expect(starting).rejects.toThrow(ManagerStoppedError)
    expect(calls).toEqual(['slow is initialized', 'shut down slow'])
    expect(application.backgroundWorkerManager.state).toBe('idle')
    expect(application.state).toBe('stopped')
  })

  it("during the manager's start stops it again", async () => {
    const application = await createApplication(withWorkers({}))
    const starting = application.start()
    const isStarting = Promise.withResolvers<void>()
    const mayStart = Promise.withResolvers<void>()
    const manager = application.backgroundWorkerManager
    const start = manager.start.bind(manager)
    vi.spyOn(manager, 'start').mockImplementation(async () => {
      isStarting.resolve()
      await mayStart.promise
      await start()
    })
    await isStarting.promise
    const stopping = application.stop()
    mayStart.resolve()
    await stopping
    await starting
    expect(manager.state).toBe('stopped')
  })
})

describe('a stop while a run is active', () => {
  async function applicationWith(doWork: (context: PeriodicBackgroundWorkerContext) => Promise<void>) {
    return createApplication(
      withWorkers({
        async onApplicationInitialization({ addBackgroundWorker }) {
          await addBackgroundWorker(
            periodicWorker({ name: 'stopper', ...neverDue, policy: { runOnStart: true }, doWork }),
          )
        },
      }),
    )
  }

  it('does not wait for the run that calls it', async () => {
    const stopped = Promise.withResolvers<unknown>()
    const application = await applicationWith(async () => {
      stopped.resolve(await application.stop())
    })
    await application.start()
    expect(await stopped.promise).toEqual({ finished: 0, abandoned: [], errors: [] })
  })

  it('does not wait for a run that calls it too, while it is under way', async () => {
    const mayStop = Promise.withResolvers<void>()
    const application = await applicationWith(async () => {
      await mayStop.promise
      await application.stop()
    })
    await application.start()
    const stopping = application.stop()
    await expect.poll(() => application.state).toBe('stopping')
    mayStop.resolve()
    expect(await stopping).toMatchObject({ abandoned: [], errors: [] })
  })

  it('passes its deadline on and reports what was abandoned', async () => {
    const application = await applicationWith(() => new Promise(() => {}))
    await application.start()
    const report = await application.stop({ timeoutMs: 0 })
    expect(report.abandoned).toMatchObject([{ worker: 'stopper' }])
  })
})

describe('context.addBackgroundWorker', () => {
  it('adds to a running application, and the worker starts at once', async () => {
    let kept: ApplicationInitializationContext | undefined
    const root = withWorkers({
      onApplicationInitialization(context) {
        kept = context
      },
    })
    const application = await createApplication(root)
    await application.start()
    await kept?.addBackgroundWorker(PlainWorker)
    expect(PlainWorker.calls).toEqual(['start'])
    const manager = application.backgroundWorkerManager
    const worker = periodicWorker({ name: 'late', ...neverDue, policy: { runOnStart: true }, doWork() {} })
    await kept?.addBackgroundWorker(worker)
    expect((await waitForRun(manager, 'late')).outcome).toBe('succeeded')
    await application.stop()
  })

  it('is refused where no module depends on BackgroundWorkersModule: nothing would start the worker', async () => {
    const application = await createApplication({
      name: 'root',
      configureServices: (container) => void container.register(defaultBackgroundWorkerManager()),
      async onApplicationInitialization({ addBackgroundWorker }) {
        await addBackgroundWorker(PlainWorker)
      },
    })
    await expect(application.start()).rejects.toThrow(
      /No module of this application depends on BackgroundWorkersModule/,
    )
    await application.stop()
  })

  it('stands beside a logger that names the module', async () => {
    const logger = new RecordingLogger()
    const root = defineModule({
      name: 'root',
      onApplicationInitialization: (context) => context.logger.info({ a: 1 }, 'hello'),
    })
    const application = await createApplication(root, { logger })
    await application.start()
    expect(logger.linesOf('hello')[0]?.data).toEqual({ module: 'root', a: 1 })
    await application.stop()
  })
})
