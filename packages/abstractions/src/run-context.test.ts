import { describe, expect, it } from 'vitest'
import { RunHarness } from '../test/run-harness.ts'
import type { PeriodicBackgroundWorkerContext } from './periodic-worker.ts'

/** A factory that counts its scopes; each resolves its own number. */
function createScopes(dispose: () => unknown = () => {}) {
  const scopes = { made: 0, disposed: [] as number[] }
  const scopeFactory = {
    createScope() {
      const number = ++scopes.made
      return {
        resolve: (name: string) => `${name} ${number}`,
        dispose() {
          scopes.disposed.push(number)
          return dispose()
        },
      }
    },
  }
  return { scopes, scopeFactory }
}

describe('context.services', () => {
  it('is one scope per attempt, made when it is first used and disposed after the attempt', async () => {
    const harness = new RunHarness()
    const { scopes, scopeFactory } = createScopes()
    const seen: unknown[] = []
    harness.start(
      async ({ services, attempt }) => {
        seen.push([services.resolve('a'), services.resolve('b'), [...scopes.disposed]])
        if (attempt === 1) throw new Error('x')
      },
      { scopeFactory, policy: { retry: { attempts: 2, backoffMs: 10 } } },
    )
    await harness.clock.advance(5)
    expect(scopes).toEqual({ made: 1, disposed: [1] })
    await harness.clock.advance(5)
    expect(seen).toEqual([
      ['a 1', 'b 1', []],
      ['a 2', 'b 2', [1]],
    ])
    expect(scopes).toEqual({ made: 2, disposed: [1, 2] })
    expect(harness.finished[0]?.outcome).toBe('succeeded')
  })

  it('is not made for a run that does not use it', async () => {
    const harness = new RunHarness()
    const { scopes, scopeFactory } = createScopes()
    await harness.start(async () => {}, { scopeFactory }).drained
    expect(scopes).toEqual({ made: 0, disposed: [] })
  })

  it('is disposed before the run has its outcome', async () => {
    const harness = new RunHarness()
    const gate = Promise.withResolvers<void>()
    const { scopeFactory } = createScopes(() => gate.promise)
    const run = harness.start(async ({ services }) => void services.resolve('a'), { scopeFactory })
    await harness.clock.settle()
    expect(run.isFinished).toBe(false)
    gate.resolve()
    await run.drained
    expect(run.record.outcome).toBe('succeeded')
  })

  it.each([
    [
      'throws',
      () => {
        throw new Error('no end')
      },
    ],
    ['rejects', () => Promise.reject(new Error('no end'))],
  ])('does not hide how the run ended when its disposer %s', async (_how, dispose) => {
    for (const failure of [undefined, new Error('real')]) {
      const harness = new RunHarness()
      const { scopeFactory } = createScopes(dispose)
      const run = harness.start(
        async ({ services }) => {
          services.resolve('a')
          if (failure) throw failure
        },
        { scopeFactory },
      )
      await run.drained
      expect(run.record.outcome).toBe(failure ? 'failed' : 'succeeded')
      expect(run.record.error?.message).toBe(failure?.message)
      expect(harness.logger.linesOf('disposing the scope of a run failed')[0]?.data).toMatchObject({
        err: new Error('no end'),
        worker: 'w',
        runId: 'w.1',
      })
    }
  })

  it('fails the run when the scope can not be made', async () => {
    const harness = new RunHarness()
    const scopeFactory = {
      createScope: () => {
        throw new Error('no scope')
      },
    }
    const run = harness.start(async ({ services }) => void services.resolve('a'), { scopeFactory })
    await run.drained
    expect(run.record).toMatchObject({ outcome: 'failed', error: { message: 'no scope' } })
  })

  it('says what is missing without a scopeFactory', async () => {
    const harness = new RunHarness()
    const run = harness.start(async ({ services }) => void services.resolve('a'))
    await run.drained
    expect(run.record.error).toMatchObject({
      code: 'invalid-options',
      message:
        'Worker "w" uses context.services, but its manager has no scopeFactory. Pass one (an awilix container fits), or "services" to runOnce.',
    })
  })

  it.each([true, false])('is refused after the attempt has ended (used during it: %s)', async (isUsed) => {
    const harness = new RunHarness()
    const { scopes, scopeFactory } = createScopes()
    let kept: PeriodicBackgroundWorkerContext | undefined
    await harness.start(
      async (context) => {
        kept = context
        if (isUsed) context.services.resolve('a')
      },
      { scopeFactory },
    ).drained
    expect(() => kept?.services).toThrow(
      'Worker "w" uses context.services after its attempt has ended. Resolve what you need inside doWork.',
    )
    expect(scopes.made).toBe(isUsed ? 1 : 0)
  })
})

describe('a context', () => {
  it('gives fresh dates, so that none can be spoiled for others', async () => {
    const harness = new RunHarness()
    const run = harness.start(async (context) => {
      context.scheduledFor.setTime(0)
      context.startedAt.setTime(0)
      expect(context.scheduledFor.getTime()).toBe(harness.clock.now())
      expect(context.startedAt.getTime()).toBe(harness.clock.now())
    })
    await run.drained
    expect(run.record.error).toBeUndefined()
    expect(run.record.scheduledFor.getTime()).toBe(harness.clock.now())
  })

  it('has no lastSucceededAt before the first success', async () => {
    const harness = new RunHarness()
    let last: unknown = 'unset'
    await harness.start(async ({ lastSucceededAt }) => {
      last = lastSucceededAt
    }).drained
    expect(last).toBeUndefined()
  })

  it('can be taken apart', async () => {
    const harness = new RunHarness()
    const run = harness.start(async ({ signal, logger, workerName, runId, kind }) => {
      logger.info({ workerName, runId, kind, aborted: signal.aborted }, 'parts')
    })
    await run.drained
    expect(harness.logger.linesOf('parts')[0]?.data).toMatchObject({
      workerName: 'w',
      kind: 'scheduled',
      aborted: false,
    })
  })

  it('keeps the start of the run for all its attempts', async () => {
    const harness = new RunHarness()
    const starts: number[] = []
    harness.start(
      async ({ startedAt }) => {
        starts.push(startedAt.getTime())
        throw new Error('x')
      },
      { policy: { retry: { attempts: 3, backoffMs: 50 } } },
    )
    await harness.clock.advance(500)
    expect(new Set(starts).size).toBe(1)
    expect(starts).toHaveLength(3)
  })
})
