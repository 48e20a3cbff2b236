import { InProcessLock, InvalidOptionsError, every, periodicWorker } from '@background-workers/abstractions'
import { ManualClock, RecordingLogger } from '@background-workers/abstractions/testing'
import { InjectionMode, asClass, asFunction, asValue, createContainer } from 'awilix'
import { describe, expect, it, vi } from 'vitest'
import { DefaultBackgroundWorkerManager } from '../src/default-background-worker-manager.ts'
import type { DefaultManagerOptions } from '../src/options.ts'
import { defaultBackgroundWorkerManager } from '../src/register.ts'

interface Cradle {
  backgroundWorkerManager: DefaultBackgroundWorkerManager
  clock: ManualClock
  logger: RecordingLogger
  visits: { count: number }
}

const modes = [
  ['PROXY', { injectionMode: InjectionMode.PROXY }],
  ['CLASSIC', { injectionMode: InjectionMode.CLASSIC }],
  ['strict', { strict: true }],
  ['strict CLASSIC', { strict: true, injectionMode: InjectionMode.CLASSIC }],
] as const

describe('defaultBackgroundWorkerManager', () => {
  it.each(modes)('registers one manager as backgroundWorkerManager: %s', (_mode, options) => {
    const container = createContainer<Cradle>(options)
    container.register(defaultBackgroundWorkerManager())
    const manager = container.resolve('backgroundWorkerManager')
    expect(manager).toBeInstanceOf(DefaultBackgroundWorkerManager)
    expect(container.cradle.backgroundWorkerManager).toBe(manager)
    expect(container.createScope().resolve('backgroundWorkerManager')).toBe(manager)
  })

  it('is refused where it is first resolved in a scope: every run would have what is registered there', async () => {
    const container = createContainer<Cradle>()
    container.register('workers', defaultBackgroundWorkerManager().backgroundWorkerManager)
    const scope = container.createScope().register({ logger: asValue(new RecordingLogger()) })
    for (let time = 0; time < 2; time++) {
      expect(() => scope.resolve('workers')).toThrow(InvalidOptionsError)
      expect(() => scope.resolve('workers')).toThrow(
        /first resolved in a scope.*Register it in the root container and resolve it there first/,
      )
    }
    const manager = container.resolve('workers')
    expect(scope.resolve('workers')).toBe(manager)
    await container.dispose()
    expect(() => scope.resolve('workers')).toThrow(InvalidOptionsError)
    expect(container.resolve('workers')).not.toBe(manager)
  })

  it('takes nothing of the scope in which it is first resolved where the container is strict', async () => {
    const [own, other] = [new RecordingLogger(), new RecordingLogger()]
    const container = createContainer<Cradle & { tenant: string }>({ strict: true })
    container.register({ logger: asValue(own), tenant: asValue('root') })
    container.register(defaultBackgroundWorkerManager({ clock: new ManualClock() }))
    const scope = container.createScope().register({ logger: asValue(other), tenant: asValue('of a request') })
    const manager = scope.resolve('backgroundWorkerManager')
    const tenants: unknown[] = []
    await manager.add(
      periodicWorker({
        name: 'tenant',
        schedule: every('1d'),
        doWork: ({ services }) => void tenants.push(services.resolve('tenant')),
      }),
    )
    await manager.start()
    await manager.trigger('tenant')
    await container.dispose()
    expect(tenants).toEqual(['root'])
    expect(other.lines).toEqual([])
  })

  it.each(modes)('is given to others by its name: %s', (_mode, options) => {
    const container = createContainer<Cradle & { user: unknown }>(options)
    const isClassic = 'injectionMode' in options && options.injectionMode === InjectionMode.CLASSIC
    container.register(defaultBackgroundWorkerManager())
    container.register({
      user: isClassic
        ? asFunction((backgroundWorkerManager: unknown) => ({ backgroundWorkerManager }))
        : asFunction(({ backgroundWorkerManager }: Cradle) => ({ backgroundWorkerManager })),
    })
    expect(container.resolve('user')).toEqual({ backgroundWorkerManager: container.resolve('backgroundWorkerManager') })
  })

  it.each(modes)('makes a scope of the container for each run: %s', async (_mode, options) => {
    const clock = new ManualClock()
    const disposed: number[] = []
    let made = 0
    class Visits {
      count = ++made
    }
    const container = createContainer<Cradle>(options)
    container.register({
      visits: asClass(Visits)
        .scoped()
        .disposer((visits) => void disposed.push(visits.count)),
    })
    container.register(defaultBackgroundWorkerManager({ clock }))
    const manager = container.resolve('backgroundWorkerManager')
    const seen: unknown[] = []
    await manager.add(
      periodicWorker({
        name: 'visitor',
        schedule: every('1s', { offset: 0 }),
        doWork({ services }) {
          seen.push(services.resolve<Visits>('visits').count, services.resolve<Visits>('visits').count)
        },
      }),
    )
    await manager.start()
    await clock.advance(2_000)
    expect(seen).toEqual([1, 1, 2, 2])
    expect(disposed).toEqual([1, 2])
    await manager.stop()
  })

  it('takes its options from a function of the cradle, when it is first resolved', () => {
    let calls = 0
    const container = createContainer<Cradle>()
    container.register(
      defaultBackgroundWorkerManager(({ clock }: Cradle) => {
        calls++
        return { clock, applicationName: 'shop' }
      }),
    )
    container.register({ clock: asValue(new ManualClock()) })
    expect(calls).toBe(0)
    container.resolve('backgroundWorkerManager')
    container.resolve('backgroundWorkerManager')
    expect(calls).toBe(1)
  })

  it('logs to the logger of the container, if there is one', async () => {
    const logger = new RecordingLogger()
    const container = createContainer<Cradle>({ strict: true })
    container.register(defaultBackgroundWorkerManager({ clock: new ManualClock() }))
    container.register({ logger: asValue(logger) })
    await container.resolve('backgroundWorkerManager').start()
    expect(logger.linesOf('background workers started')).toHaveLength(1)
    await container.dispose()
  })

  it('logs to the logger of the options where they have one', async () => {
    const [own, other] = [new RecordingLogger(), new RecordingLogger()]
    const container = createContainer<Cradle>()
    container.register({ logger: asValue(other) })
    container.register(defaultBackgroundWorkerManager({ clock: new ManualClock(), logger: own }))
    await container.resolve('backgroundWorkerManager').start()
    expect([own.lines.length, other.lines.length]).toEqual([1, 0])
    await container.dispose()
  })

  it('reads what an instance of a settings class inherits or has a getter for', async () => {
    const [own, other] = [new RecordingLogger(), new RecordingLogger()]
    class Settings implements DefaultManagerOptions {
      readonly clock = new ManualClock()
      readonly #logger = own
      get logger() {
        return this.#logger
      }
    }
    const container = createContainer<Cradle>()
    container.register({ logger: asValue(other) })
    container.register(defaultBackgroundWorkerManager(new Settings()))
    await container.resolve('backgroundWorkerManager').start()
    expect([own.lines.length, other.lines.length]).toEqual([1, 0])
    await container.dispose()
  })

  it('takes the distributedLock of the container, if there is one, unless the options say otherwise', async () => {
    const lock = new InProcessLock()
    const acquire = vi.spyOn(lock, 'acquire')
    const runOnce = async (options: DefaultManagerOptions) => {
      const container = createContainer<Cradle>({ strict: true })
      container.register({ distributedLock: asValue(lock) })
      container.register(defaultBackgroundWorkerManager({ clock: new ManualClock(), ...options }))
      const manager = container.resolve('backgroundWorkerManager')
      await manager.add(periodicWorker({ name: 'rare', schedule: every('1d'), async doWork() {} }))
      await manager.start()
      await manager.trigger('rare')
      await container.dispose()
    }
    await runOnce({})
    expect(acquire).toHaveBeenCalledTimes(1)
    await runOnce({ distributedLock: new InProcessLock() })
    expect(acquire).toHaveBeenCalledTimes(1)
    // As everywhere, undefined is "not given": a setting that is missing must not switch the lock off.
    await runOnce({ distributedLock: undefined as never })
    expect(acquire).toHaveBeenCalledTimes(2)
  })

  it('is stopped by container.dispose(), which waits for it', async () => {
    const clock = new ManualClock()
    const container = createContainer<Cradle>()
    container.register(defaultBackgroundWorkerManager({ clock }))
    const manager = container.resolve('backgroundWorkerManager')
    const gate = Promise.withResolvers<void>()
    await manager.add(
      periodicWorker({ name: 'slow', schedule: every('1s', { offset: 0 }), doWork: () => gate.promise }),
    )
    await manager.start()
    await clock.advance(1_000)
    let isDisposed = false
    const disposing = container.dispose().then(() => {
      isDisposed = true
    })
    await clock.settle()
    expect([manager.state, isDisposed]).toEqual(['stopping', false])
    gate.resolve()
    await disposing
    expect([manager.state, clock.timerCount]).toEqual(['stopped', 0])
  })

  it('leaves nothing to stop where it was never resolved', async () => {
    const container = createContainer<Cradle>()
    const makeOptions = vi.fn(() => ({}))
    container.register(defaultBackgroundWorkerManager(makeOptions))
    await container.dispose()
    expect(makeOptions).not.toHaveBeenCalled()
  })

  it('refuses bad options when it is resolved', () => {
    const container = createContainer<Cradle>()
    container.register(defaultBackgroundWorkerManager({ stopTimeout: 5 } as never))
    expect(() => container.resolve('backgroundWorkerManager')).toThrow(InvalidOptionsError)
    expect(() => container.resolve('backgroundWorkerManager')).toThrow('unknown option "stopTimeout"')
  })

  it('refuses an asynchronous function of options: a manager without them would run the workers', () => {
    const container = createContainer<Cradle>()
    container.register(defaultBackgroundWorkerManager((async () => ({ isEnabled: false })) as never))
    expect(() => container.resolve('backgroundWorkerManager')).toThrow(
      'DefaultBackgroundWorkerManager: expected an options object, got a promise.',
    )
  })
})
