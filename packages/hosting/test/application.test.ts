import { InvalidOptionsError, ManagerStoppedError, periodicWorker } from '@background-workers/abstractions'
import { RecordingLogger, waitForRun } from '@background-workers/abstractions/testing'
import { defaultBackgroundWorkerManager } from '@background-workers/default-manager/register'
import {
  type ApplicationInitializationContext,
  type ApplicationModule,
  BackgroundWorkersModule,
  createApplication,
  defineModule,
} from '@background-workers/hosting'
import { asFunction, createContainer } from 'awilix'
import { beforeEach, describe, expect, it } from 'vitest'
import { PlainWorker, neverDue, tracked, withWorkers } from './fixtures/modules.ts'

beforeEach(() => {
  PlainWorker.calls.length = 0
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
