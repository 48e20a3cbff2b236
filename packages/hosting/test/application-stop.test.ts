import {
  ManagerStoppedError,
  type PeriodicBackgroundWorkerContext,
  periodicWorker,
} from '@background-workers/abstractions'
import { createApplication, defineModule } from '@background-workers/hosting'
import { describe, expect, it, vi } from 'vitest'
import { neverDue, withWorkers } from './fixtures/modules.ts'

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
    expect(application.state).toBe('stopping')
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

  it('does not wait for a run that calls it too, while it waits for the start', async () => {
    const isRunning = Promise.withResolvers<void>()
    const mayStop = Promise.withResolvers<void>()
    const mayStart = Promise.withResolvers<void>()
    const application = await applicationWith(async () => {
      isRunning.resolve()
      await mayStop.promise
      await application.stop()
    })
    const manager = application.backgroundWorkerManager
    const start = manager.start.bind(manager)
    vi.spyOn(manager, 'start').mockImplementation(async () => {
      await start()
      await mayStart.promise
    })
    const starting = application.start()
    await isRunning.promise
    const stopping = application.stop({ timeoutMs: 20_000 })
    mayStop.resolve()
    await new Promise((resolve) => setImmediate(resolve))
    mayStart.resolve()
    await starting
    expect(await stopping).toEqual({ finished: 0, abandoned: [], errors: [] })
  })

  it('passes its deadline on and reports what was abandoned', async () => {
    const application = await applicationWith(() => new Promise(() => {}))
    await application.start()
    const report = await application.stop({ timeoutMs: 0 })
    expect(report.abandoned).toMatchObject([{ worker: 'stopper' }])
  })
})
