import 'reflect-metadata'
import {
  AsyncPeriodicBackgroundWorkerBase,
  type IBackgroundWorkerManager,
  type ManagerState,
  type PeriodicBackgroundWorkerContext,
  every,
  periodicWorker,
} from '@background-workers/abstractions'
import { ManualClock, waitForRun } from '@background-workers/abstractions/testing'
import { DefaultBackgroundWorkerManager } from '@background-workers/default-manager'
import { type INestApplicationContext, Inject, Injectable, type Provider, Scope } from '@nestjs/common'
import { NestFactory, REQUEST } from '@nestjs/core'
import { describe, expect, it } from 'vitest'
import {
  BACKGROUND_WORKER_MANAGER,
  BackgroundWorkersModule,
} from '../src/background-workers/background-workers-module.ts'

class TestModule {}

/** An application with these providers, on a clock that stands still. */
function createApp(...providers: Provider[]): Promise<INestApplicationContext> {
  const clock = new ManualClock()
  const workers = BackgroundWorkersModule.forRoot({
    createManager: (options) => new DefaultBackgroundWorkerManager({ ...options, clock }),
  })
  return NestFactory.createApplicationContext(
    { module: TestModule, imports: [workers], providers },
    { logger: false, abortOnError: false },
  )
}

const managerOf = (app: INestApplicationContext) => app.get<IBackgroundWorkerManager>(BACKGROUND_WORKER_MANAGER)

describe('the workers', () => {
  it('are found among the providers, started with the application and stopped with it', async () => {
    const worker = periodicWorker({ name: 'digest', schedule: every('1h'), async doWork() {} })
    const app = await createApp(
      { provide: 'digest', useValue: worker },
      { provide: 'the same one', useExisting: 'digest' },
    )
    const manager = managerOf(app)
    expect((await manager.list()).map(({ name }) => name)).toEqual(['digest'])
    expect(manager.state).toBe('running')
    await app.close()
    expect(manager.state).toBe('stopped')
  })

  it('work from before onApplicationBootstrap of other modules until after their beforeApplicationShutdown', async () => {
    const states = new Map<string, ManagerState>()
    const witness = {
      provide: 'witness',
      inject: [BACKGROUND_WORKER_MANAGER],
      useFactory(manager: IBackgroundWorkerManager) {
        const noteState = (hook: string) => () => void states.set(hook, manager.state)
        return {
          onModuleInit: noteState('onModuleInit'),
          onApplicationBootstrap: noteState('onApplicationBootstrap'),
          onModuleDestroy: noteState('onModuleDestroy'),
          beforeApplicationShutdown: noteState('beforeApplicationShutdown'),
          onApplicationShutdown: noteState('onApplicationShutdown'),
        }
      },
    }
    const app = await createApp(witness)
    await app.close()
    expect(Object.fromEntries(states)).toEqual({
      onModuleInit: 'idle',
      onApplicationBootstrap: 'running',
      onModuleDestroy: 'running',
      beforeApplicationShutdown: 'running',
      onApplicationShutdown: 'stopped',
    })
  })

  it('must not inject what is request-scoped', async () => {
    class Digest extends AsyncPeriodicBackgroundWorkerBase {
      readonly name = 'digest'
      readonly schedule = every('1h')
      async doWork() {}
    }
    Injectable()(Digest)
    Inject('connection')(Digest, undefined, 0)
    const connection = { provide: 'connection', scope: Scope.REQUEST, useFactory: () => ({}) }
    await expect(createApp(Digest, connection)).rejects.toThrow('Digest is a worker, and so a singleton')
  })
})

describe('a run', () => {
  it('has its own request-scoped providers in each attempt, and they are disposed of', async () => {
    const events: string[] = []
    let connections = 0
    const connection = {
      provide: 'connection',
      scope: Scope.REQUEST,
      inject: [REQUEST],
      useFactory(run: AsyncDisposableStack) {
        const id = ++connections
        run.defer(() => void events.push(`${id} closed`))
        return id
      },
    }
    const repository = {
      provide: 'repository',
      scope: Scope.REQUEST,
      inject: ['connection'],
      useFactory: (id: number) => `the repository on ${id}`,
    }
    const worker = periodicWorker({
      name: 'import',
      schedule: every('1h'),
      async doWork({ services }: PeriodicBackgroundWorkerContext) {
        const id = await services.resolve<Promise<number>>('connection')
        events.push(`${id} opened, ${await services.resolve<Promise<string>>('repository')}`)
        throw new Error('the file is not there')
      },
    })
    const app = await createApp(connection, repository, { provide: 'worker', useValue: worker })
    const manager = managerOf(app)
    for (let run = 0; run < 2; run++) {
      const runId = await manager.trigger('import')
      expect(await waitForRun(manager, 'import', { runId })).toMatchObject({ outcome: 'failed' })
    }
    expect(events).toEqual(['1 opened, the repository on 1', '1 closed', '2 opened, the repository on 2', '2 closed'])
    await app.close()
  })

  it('has finished when onApplicationShutdown closes what it uses', async () => {
    const events: string[] = []
    const workEnds = Promise.withResolvers<void>()
    const worker = periodicWorker({
      name: 'export',
      schedule: every('1h'),
      async doWork() {
        await workEnds.promise
        events.push('the run has finished')
      },
    })
    const database = { onApplicationShutdown: () => void events.push('the database is closed') }
    const app = await createApp({ provide: 'worker', useValue: worker }, { provide: 'database', useValue: database })
    const manager = managerOf(app)
    await manager.trigger('export')
    const closing = app.close()
    await expect.poll(() => manager.state).toBe('stopping')
    workEnds.resolve()
    await closing
    expect(events).toEqual(['the run has finished', 'the database is closed'])
  })
})
