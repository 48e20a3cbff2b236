import { DuplicateWorkerError } from '@background-workers/abstractions'
import { RecordingLogger } from '@background-workers/abstractions/testing'
import { type ApplicationInitializationContext, createApplication, defineModule } from '@background-workers/hosting'
import { createContainer } from 'awilix'
import { describe, expect, it, vi } from 'vitest'
import { PlainWorker, idleWorker, tracked, withWorkers } from './fixtures/modules.ts'

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

  it('adds again what a failed hook had added and removed', async () => {
    const logger = new RecordingLogger()
    let isDown = true
    const application = await createApplication(
      withWorkers({
        async onApplicationInitialization({ addBackgroundWorker, backgroundWorkerManager }) {
          const made = idleWorker('made-in-hook')
          expect(await addBackgroundWorker(made)).toBe(made)
          await addBackgroundWorker(PlainWorker)
          if (!isDown) return
          await backgroundWorkerManager.remove('made-in-hook')
          await backgroundWorkerManager.remove('plain')
          throw new Error('database is away')
        },
      }),
      { logger },
    )
    await expect(application.start()).rejects.toThrow('database is away')
    isDown = false
    await application.start()
    const names = (await application.backgroundWorkerManager.list()).map(({ name }) => name)
    expect(names).toEqual(['made-in-hook', 'plain'])
    expect(
      logger.linesOf('worker was added by a try that failed and is kept; make it once, outside of the hook'),
    ).toEqual([])
    await application.stop()
  })

  it.each(['before', 'during'])(
    'gives back what a failed hook adds after it has failed, %s the next try',
    async (when) => {
      const mayGoOn = Promise.withResolvers<void>()
      const late: Promise<unknown>[] = []
      const connect = vi.fn().mockRejectedValueOnce(new Error('database is away'))
      let tries = 0
      const application = await createApplication(
        withWorkers({
          async onApplicationInitialization({ addBackgroundWorker }) {
            tries++
            const addTenant = async () => addBackgroundWorker(idleWorker('tenant'))
            if (tries === 1) late.push(mayGoOn.promise.then(addTenant))
            await connect()
            mayGoOn.resolve()
            await late[0]
            late.push(addTenant())
            await late[1]
          },
        }),
      )
      await expect(application.start()).rejects.toThrow('database is away')
      if (when === 'before') {
        mayGoOn.resolve()
        await late[0]
      }
      await application.start()
      expect(await late[1]).toBe(await late[0])
      expect(await application.backgroundWorkerManager.list()).toHaveLength(1)
      await application.stop()
    },
  )

  it('gives nothing back once the module is initialized, to no context', async () => {
    const contexts: ApplicationInitializationContext[] = []
    const application = await createApplication(
      withWorkers({
        async onApplicationInitialization(context) {
          contexts.push(context)
          if (contexts.length > 1) return
          await context.addBackgroundWorker(idleWorker('tenant'))
          throw new Error('database is away')
        },
      }),
    )
    await expect(application.start()).rejects.toThrow('database is away')
    await application.start()
    const manager = application.backgroundWorkerManager
    for (const { addBackgroundWorker } of contexts) {
      await expect(addBackgroundWorker(idleWorker('tenant'))).rejects.toThrow(DuplicateWorkerError)
      await manager.remove('tenant')
      const again = idleWorker('tenant')
      expect(await addBackgroundWorker(again)).toBe(again)
      expect(await manager.list()).toHaveLength(1)
    }
    await application.stop()
  })
})
