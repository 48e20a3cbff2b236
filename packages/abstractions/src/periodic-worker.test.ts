import { describe, expect, it } from 'vitest'
import {
  AsyncPeriodicBackgroundWorkerBase,
  type PeriodicBackgroundWorkerContext,
  periodicWorker,
} from './periodic-worker.ts'
import { every } from './schedule.ts'

describe('AsyncPeriodicBackgroundWorkerBase', () => {
  it('has an empty policy unless it gives one', () => {
    class Periodic extends AsyncPeriodicBackgroundWorkerBase {
      readonly name = 'periodic'
      readonly schedule = every('1m')
      async doWork() {}
    }
    expect(new Periodic().policy).toEqual({})
  })
})

describe('periodicWorker', () => {
  it('makes a worker of its parts', async () => {
    const schedule = every('1m')
    const calls: unknown[] = []
    const worker = periodicWorker({
      name: 'a',
      schedule,
      policy: { keepRuns: 5 },
      doWork: (context) => void calls.push(context),
    })
    expect(worker).toBeInstanceOf(AsyncPeriodicBackgroundWorkerBase)
    expect([worker.name, worker.schedule, worker.policy]).toEqual(['a', schedule, { keepRuns: 5 }])
    const context = {} as never
    expect(await worker.doWork(context)).toBeUndefined()
    expect(calls).toEqual([context])
  })

  it('takes a doWork that resolves with something, and nothing that is not called', async () => {
    const deleteExpired = async () => 3
    const parts = { name: 'a', schedule: every('1m') }
    const worker = periodicWorker({ ...parts, doWork: () => deleteExpired() })
    expect(await worker.doWork({} as never)).toBeUndefined()
    // @ts-expect-error -- its promise is not waited for: it is not called
    periodicWorker({ ...parts, doWork: () => deleteExpired })
    // @ts-expect-error -- called too early
    expect(() => periodicWorker({ ...parts, doWork: deleteExpired() })).toThrow('"doWork" must be a function')
  })

  it('takes a doWork whose context has the type of a cradle, and one whose context has none', async () => {
    interface Cradle {
      readonly limit: number
    }
    const limits: string[] = []
    const parts = { name: 'a', schedule: every('1m') }
    const workers = [
      periodicWorker({
        ...parts,
        doWork({ services }: PeriodicBackgroundWorkerContext<Cradle>) {
          limits.push(services.resolve('limit').toFixed(1))
        },
      }),
      periodicWorker<Cradle>({
        ...parts,
        doWork: ({ services }) => void limits.push(services.resolve('limit').toFixed(1)),
      }),
      periodicWorker({
        ...parts,
        doWork: ({ services }) => void limits.push(services.resolve<number>('limit').toFixed(1)),
      }),
    ]
    // @ts-expect-error -- without a type it is unknown
    periodicWorker({ ...parts, doWork: ({ services }) => services.resolve('limit').toFixed(1) })
    const services = { resolve: () => 3 }
    for (const worker of workers) await worker.doWork({ services } as never)
    expect(limits).toEqual(['3.0', '3.0', '3.0'])
  })

  it('makes a rejection of what doWork throws', async () => {
    const worker = periodicWorker({
      name: 'a',
      schedule: every('1m'),
      doWork() {
        throw new Error('sync')
      },
    })
    await expect(worker.doWork({} as never)).rejects.toThrow('sync')
  })

  it.each<[unknown, RegExp]>([
    [undefined, /^periodicWorker: expected an options object, got undefined\.$/],
    [{}, /^periodicWorker: name, schedule, doWork must be given\.$/],
    [{ name: 'a', doWork() {} }, /^periodicWorker: schedule must be given\.$/],
    [{ name: 'A', schedule: every(1), doWork() {} }, /^periodicWorker: "name" must be 1 to 100 of a-z, .*; got "A"\.$/],
    [{ name: 'a', schedule: every(1), doWork: 'x' }, /^periodicWorker: "doWork" must be a function, got "x"\.$/],
    [
      { name: 'a', schedule: every(1), doWork() {}, polcy: {} },
      /^periodicWorker: unknown option "polcy"\. Known are: name, schedule, policy, doWork\.$/,
    ],
  ])('refuses parts that are wrong: case %#', (parts, message) => {
    expect(() => periodicWorker(parts as never)).toThrow(message)
  })
})
