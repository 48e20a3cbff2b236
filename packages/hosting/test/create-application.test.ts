import { InvalidOptionsError } from '@background-workers/abstractions'
import { RecordingLogger } from '@background-workers/abstractions/testing'
import { BackgroundWorkersModule, createApplication, defineModule } from '@background-workers/hosting'
import { type AwilixContainer, asFunction, asValue, createContainer } from 'awilix'
import { describe, expect, it } from 'vitest'
import { PlainWorker, tracked, withWorkers } from './fixtures/modules.ts'

describe('createApplication', () => {
  it('configures every module in dependency order and initializes none', async () => {
    const calls: string[] = []
    const base = tracked(calls, 'base')
    await createApplication(tracked(calls, 'root', tracked(calls, 'left', base), tracked(calls, 'right', base)))
    expect(calls).toEqual(['configure base', 'configure left', 'configure right', 'configure root'])
  })

  it('takes undefined for an option that is not given', async () => {
    const application = await createApplication(
      { name: 'root', dependsOn: undefined },
      { container: undefined, logger: undefined },
    )
    expect(application.state).toBe('idle')
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

  it('refuses a container whose manager has the workers of another application, until it is disposed', async () => {
    const container = createContainer()
    const root = withWorkers({
      async onApplicationInitialization({ addBackgroundWorker }) {
        await addBackgroundWorker(PlainWorker)
      },
    })
    const first = await createApplication(root, { container })
    await first.start()
    await first.stop()
    const second = createApplication(root, { container })
    await expect(second).rejects.toThrow(InvalidOptionsError)
    await expect(second).rejects.toThrow(/has the workers of another application.*await container\.dispose\(\)/)
    await createApplication({ name: 'no-workers' }, { container })
    await container.dispose()
    const third = await createApplication(root, { container })
    await third.start()
    expect(third.backgroundWorkerManager).not.toBe(first.backgroundWorkerManager)
    await third.stop()
  })

  it('refuses a manager that another application uses also where its container does not keep it', async () => {
    const first = await createApplication(withWorkers({}))
    await first.start()
    const shared = asValue(first.backgroundWorkerManager)
    const second = await createApplication({
      name: 'second',
      dependsOn: [BackgroundWorkersModule],
      configureServices: (container) => void container.register({ backgroundWorkerManager: shared }),
    })
    await expect(second.start()).rejects.toThrow('has the workers of another application')
    await first.stop()
    await second.stop()
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

  it('says why configuring failed also where its own container can not be disposed then', async () => {
    const logger = new RecordingLogger()
    const root = defineModule({
      name: 'root',
      configureServices(container) {
        const resource = asFunction(() => ({})).singleton()
        container.register({ resource: resource.disposer(() => Promise.reject(new Error('not open'))) })
        container.resolve('resource')
        throw new Error('no configuration')
      },
    })
    await expect(createApplication(root, { logger })).rejects.toThrow('no configuration')
    expect(logger.linesOf('container failed to dispose')[0]?.data.err).toMatchObject({ message: 'not open' })
    await expect(createApplication(root)).rejects.toThrow('no configuration')
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
