import assert from 'node:assert/strict'
import type { DisposableServiceScope, ServiceScopeFactory } from '../../service-scope.ts'
import type { ContractGroup } from '../contract-suite.ts'
import { PlainProbe } from './probe-worker.ts'
import type { TestApplication } from './test-application.ts'

/** Makes scopes that can be counted. */
class ScopeRecorder implements ServiceScopeFactory {
  readonly scopes: { isDisposed: boolean }[] = []
  readonly #dispose: () => unknown

  constructor(dispose: () => unknown = () => {}) {
    this.#dispose = dispose
  }

  get disposed(): boolean[] {
    return this.scopes.map(({ isDisposed }) => isDisposed)
  }

  createScope(): DisposableServiceScope {
    const scope = { isDisposed: false, resolve: (name: string) => `${name} of scope ${this.scopes.length}` }
    this.scopes.push(scope)
    return {
      ...scope,
      dispose: () => {
        scope.isDisposed = true
        return this.#dispose()
      },
    }
  }
}

/** The tests of promise 10. */
export const scopes: ContractGroup<TestApplication> = {
  title: '10. Scope',
  tests: {
    async 'gives each run a scope of its own and disposes it afterwards'(app) {
      const scopeFactory = new ScopeRecorder()
      const resolved: unknown[] = []
      const disposedMeanwhile: boolean[] = []
      const worker = app.rareWorker({
        doWork: async ({ services }) => {
          resolved.push(services.resolve('users'))
          await Promise.resolve()
          disposedMeanwhile.push(scopeFactory.disposed.at(-1) as boolean)
        },
      })
      const manager = await app.start([worker], { scopeFactory })
      await app.run(manager, 'rare')
      await app.run(manager, 'rare')
      await app.untilIdle(manager, 'rare')
      assert.deepEqual(resolved, ['users of scope 1', 'users of scope 2'])
      assert.deepEqual(disposedMeanwhile, [false, false])
      assert.deepEqual(scopeFactory.disposed, [true, true])
    },

    async 'gives each attempt a scope of its own, disposed before the next'(app) {
      const scopeFactory = new ScopeRecorder()
      const seen: boolean[][] = []
      const worker = app.rareWorker({
        policy: { retry: { attempts: 2, backoffMs: 1 } },
        doWork: ({ services }) => {
          services.resolve('users')
          seen.push(scopeFactory.disposed)
          throw new Error('fails')
        },
      })
      const manager = await app.start([worker], { scopeFactory })
      await app.run(manager, 'rare')
      await app.untilIdle(manager, 'rare')
      assert.deepEqual(seen, [[false], [true, false]])
      assert.deepEqual(scopeFactory.disposed, [true, true])
    },

    async 'disposes the scope of an aborted run when its doWork returns'(app) {
      const scopeFactory = new ScopeRecorder()
      const gate = app.gate()
      const worker = app.rareWorker({ doWork: ({ services }) => services && gate.passed })
      const manager = await app.start([worker], { scopeFactory })
      const runId = await manager.trigger('rare')
      await app.untilCalled(worker)
      await manager.cancel(runId)
      await app.untilFinished(manager, 'rare', runId)
      assert.deepEqual(scopeFactory.disposed, [false])
      gate.open()
      await app.untilIdle(manager, 'rare')
      assert.deepEqual(scopeFactory.disposed, [true])
    },

    async 'logs a disposer that fails, and the run has succeeded all the same'(app) {
      const broken = new Error('the disposer is broken')
      const fails = { 'fails-async': () => Promise.reject(broken), 'fails-sync': thrower(broken) }
      for (const [name, fail] of Object.entries(fails)) {
        const worker = app.rareWorker({ name, doWork: ({ services }) => void services.resolve('users') })
        const manager = await app.start([worker], { scopeFactory: new ScopeRecorder(fail) })
        const record = await app.run(manager, name)
        assert.equal(record.outcome, 'succeeded')
        assert.deepEqual(
          app.errorLines(name).map(({ data }) => data.err),
          [broken],
        )
        await app.stop(manager)
      }
    },

    async 'does not let a disposer that fails hide why the run failed'(app) {
      const scopeFactory = new ScopeRecorder(thrower(new Error('the disposer is broken')))
      const worker = app.rareWorker({
        doWork: ({ services }) => {
          services.resolve('users')
          throw new Error('the work is broken')
        },
      })
      const manager = await app.start([worker], { scopeFactory })
      const record = await app.run(manager, 'rare')
      assert.deepEqual([record.outcome, record.error?.message], ['failed', 'the work is broken'])
    },

    async 'fails a run whose scope can not be made'(app) {
      const scopeFactory = { createScope: thrower(new Error('no scope today')) }
      const worker = app.rareWorker({ doWork: ({ services }) => void services.resolve('users') })
      const manager = await app.start([worker], { scopeFactory })
      const record = await app.run(manager, 'rare')
      assert.deepEqual([record.outcome, record.error?.message], ['failed', 'no scope today'])
    },

    async 'says what is missing when services are used without a scopeFactory'(app) {
      const worker = app.rareWorker({ doWork: ({ services }) => void services.resolve('users') })
      const manager = await app.start([worker])
      const record = await app.run(manager, 'rare')
      assert.deepEqual([record.outcome, record.error?.code], ['failed', 'invalid-options'])
      assert.match(record.error?.message as string, /"rare".*scopeFactory/)
    },

    async 'makes no scope for a run that uses none, and none for plain workers'(app) {
      const scopeFactory = new ScopeRecorder()
      const manager = await app.start([app.rareWorker(), new PlainProbe('plain')], { scopeFactory })
      await app.run(manager, 'rare')
      await app.stop(manager)
      assert.equal(scopeFactory.scopes.length, 0)
    },
  },
}

function thrower(error: Error): () => never {
  return () => {
    throw error
  }
}
