import { every } from '@background-workers/abstractions'
import { describe, it } from 'vitest'
import { PATIENCE, countingWorker, faultManager, ownApplication } from './fixtures/fault-manager.ts'
import { withClient } from './fixtures/fault-redis.ts'

describe('a run whose lease somebody else has taken', () => {
  it('is aborted with LeaseLostError at the next renewal, and a late end does no harm', async (test) => {
    const { expect } = test
    const { key, options } = await ownApplication(test)
    const reasons: unknown[] = []
    const release = Promise.withResolvers<void>()
    const long = countingWorker('long', every(3_600_000), ({ signal }) => {
      signal.addEventListener('abort', () => reasons.push((signal.reason as { code: string }).code))
      return release.promise
    })
    const { manager } = faultManager(test, options)
    await manager.add(long.worker)
    await manager.start()
    const runId = await manager.trigger('long')
    await expect.poll(() => long.runs.length, PATIENCE).toBe(1)
    await withClient(options.connection, (client) => client.set(key(`runs.default:${runId}:lock`), 'thief'))

    await expect.poll(() => reasons, PATIENCE).toEqual(['lease-lost'])
    await expect
      .poll(async () => (await manager.runs('long'))[0], PATIENCE)
      .toMatchObject({ runId, outcome: 'aborted', reason: 'lease-lost' })
    release.resolve()
    await withClient(options.connection, (client) => client.del(key(`runs.default:${runId}:lock`)))
    // The stalled check takes the job from the list; the worker runs again.
    await expect.poll(() => manager.trigger('long').catch(() => ''), PATIENCE).toContain('long.m-')
    await expect.poll(() => long.runs.length, PATIENCE).toBe(2)
    expect((await manager.runs('long')).filter((run) => run.runId === runId)).toMatchObject([
      { outcome: 'aborted', reason: 'lease-lost' },
    ])
  })
})
