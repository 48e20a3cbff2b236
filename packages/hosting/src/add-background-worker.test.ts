import {
  AsyncPeriodicBackgroundWorkerBase,
  BackgroundWorkerBase,
  DuplicateWorkerError,
  InvalidOptionsError,
  InvalidWorkerError,
  every,
  periodicWorker,
} from '@background-workers/abstractions'
import { defaultBackgroundWorkerManager } from '@background-workers/default-manager/register'
import { asClass, asValue, createContainer } from 'awilix'
import { describe, expect, it } from 'vitest'
import { addBackgroundWorker, registrationName } from './add-background-worker.ts'

class CleanupWorker extends AsyncPeriodicBackgroundWorkerBase {
  readonly name = 'cleanup'
  readonly schedule = every('1h')
  async doWork() {}
}

function containerWithManager() {
  return createContainer().register(defaultBackgroundWorkerManager())
}

describe('registrationName', () => {
  it.each([
    ['PassiveUserCheckerWorker', 'passiveUserCheckerWorker'],
    ['SMSWorker', 'smsWorker'],
    ['HTML2Worker', 'html2Worker'],
    ['S3Sync', 's3Sync'],
    ['A', 'a'],
    ['ABC', 'abc'],
    ['already', 'already'],
  ])('%s becomes %s', (className, name) => {
    expect(registrationName(className)).toBe(name)
  })
})

describe('addBackgroundWorker', () => {
  it('registers a class as a singleton, adds it and gives it back', async () => {
    const container = containerWithManager()
    const worker = await addBackgroundWorker(container, CleanupWorker)
    expect(worker).toBeInstanceOf(CleanupWorker)
    expect(container.resolve('cleanupWorker')).toBe(worker)
    expect(await container.cradle.backgroundWorkerManager.get('cleanup')).toBeDefined()
  })

  it('adds an object as it is', async () => {
    const container = containerWithManager()
    const worker = periodicWorker({ name: 'digest', schedule: every('1h'), doWork() {} })
    expect(await addBackgroundWorker(container, worker)).toBe(worker)
    expect(await container.cradle.backgroundWorkerManager.get('digest')).toBeDefined()
  })

  it('takes a class that is registered, with what that registration gives it', async () => {
    class WithOptions extends CleanupWorker {
      readonly table: string
      constructor({ table }: { table: string }) {
        super()
        this.table = table
      }
    }
    const container = containerWithManager()
    container.register({
      withOptions: asClass(WithOptions)
        .inject(() => ({ table: 'logs' }))
        .singleton(),
    })
    expect((await addBackgroundWorker(container, WithOptions)).table).toBe('logs')
  })

  it('refuses the same class twice, and leaves the first', async () => {
    const container = containerWithManager()
    await addBackgroundWorker(container, CleanupWorker)
    await expect(addBackgroundWorker(container, CleanupWorker)).rejects.toThrow(DuplicateWorkerError)
    expect(await container.cradle.backgroundWorkerManager.list()).toHaveLength(1)
  })

  it('refuses a name that is taken by something else', async () => {
    const container = containerWithManager()
    container.register({ cleanupWorker: asValue('something else') })
    const added = addBackgroundWorker(container, CleanupWorker)
    await expect(added).rejects.toThrow(InvalidOptionsError)
    await expect(added).rejects.toThrow('"cleanupWorker" is registered in the container and is no CleanupWorker')
  })

  it('refuses a second class of the same name', async () => {
    const other = () => {
      class CleanupWorker extends BackgroundWorkerBase {
        readonly name = 'other'
      }
      return CleanupWorker
    }
    const container = containerWithManager()
    await addBackgroundWorker(container, CleanupWorker)
    await expect(addBackgroundWorker(container, other())).rejects.toThrow(/Rename the class/)
  })

  it('refuses an anonymous class and a function', async () => {
    const container = containerWithManager()
    const anonymous = (() =>
      class extends BackgroundWorkerBase {
        readonly name = 'anonymous'
      })()
    await expect(addBackgroundWorker(container, anonymous)).rejects.toThrow(InvalidWorkerError)
    await expect(addBackgroundWorker(container, anonymous)).rejects.toThrow(/Name the class/)
    const makeWorker = () => new CleanupWorker()
    await expect(addBackgroundWorker(container, makeWorker as never)).rejects.toThrow(/"makeWorker" is a function/)
  })

  it('leaves what is no worker to the manager', async () => {
    for (const bad of [undefined, null, 5, { name: 'x' }]) {
      await expect(addBackgroundWorker(containerWithManager(), bad as never)).rejects.toThrow(InvalidWorkerError)
    }
  })

  it('says what to register when there is no manager', async () => {
    const added = addBackgroundWorker(createContainer(), CleanupWorker)
    await expect(added).rejects.toThrow(InvalidOptionsError)
    await expect(added).rejects.toThrow('container.register(defaultBackgroundWorkerManager())')
  })

  it('refuses a manager that is none', async () => {
    const container = createContainer()
    container.register({ backgroundWorkerManager: asValue({}) })
    await expect(addBackgroundWorker(container, CleanupWorker)).rejects.toThrow(/must have the method start\(\)/)
  })
})
