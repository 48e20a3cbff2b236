import assert from 'node:assert/strict'
import { describe, it } from 'vitest'
import { Keys } from '../src/keys.ts'
import { Store } from '../src/store.ts'
import { TestCluster, rarely } from './fixtures/cluster.ts'
import { PATIENCE, countingWorker, faultManager, outcomeOf, ownRedis, pass } from './fixtures/fault-manager.ts'
import { losingRedis } from './fixtures/losing-redis.ts'

describe.concurrent('a run', () => {
  it('that was decided when a stop had given up on it stays with BullMQ, so that another instance finds it lost', async (test) => {
    const { expect } = test
    const { redis, target, hold } = await losingRedis(test)
    const { manager, applicationName } = faultManager(test, { connection: redis })
    const tidy = countingWorker('tidy', rarely())
    await manager.add(tidy.worker)
    await manager.start()
    // The script is known to Redis from then on.
    await manager.trigger('tidy')
    await expect.poll(async () => (await manager.runs('tidy'))[0], PATIENCE).toMatchObject({ outcome: 'succeeded' })
    const held = hold((command) => command.includes(':records:tidy:runs') && !command.includes('"outcome"'))
    const runId = await manager.trigger('tidy')
    const release = await held
    const stopping = manager.stop({ timeoutMs: 100 })
    await pass(800)
    release()
    await stopping
    expect(tidy.runs).toHaveLength(1)
    expect(await target.cli('lrange', `{${applicationName}}:runs.default:active`, '0', '-1')).toBe(runId)
  })

  it('that has started does not wait for its jitter any more, however late its tick says so', async () => {
    await using cluster = await TestCluster.open()
    const store = new Store(cluster.redis, new Keys(cluster.applicationName), () => {})
    const slot = Date.now()
    const record = {
      runId: `digest.${slot}`,
      worker: 'digest',
      kind: 'scheduled',
      scheduledFor: new Date(slot),
      attempts: 1,
      instanceId: 'one',
    } as const
    const claim = {
      token: 'default/one/1',
      slot,
      decidedBefore: undefined,
      keepRuns: 100,
      isRecovery: false,
      wasWaiting: false,
    }
    assert.equal(await store.decideRun(record, claim), true)
    await store.raiseDecided('digest', slot, record)
    const { waiting, decidedUpTo } = await store.read('digest')
    assert.deepEqual([waiting, decidedUpTo], [undefined, slot])
  })

  it('whose lease was lost keeps the guard while its doWork is active here, and ends undisturbed', async (test) => {
    const { expect } = test
    const redis = await ownRedis(test)
    const { manager, applicationName } = faultManager(test, { connection: redis.url })
    const release = Promise.withResolvers<void>()
    test.onTestFinished(() => release.resolve())
    let active = 0
    let most = 0
    const long = countingWorker(
      'long',
      rarely(),
      async () => {
        most = Math.max(most, ++active)
        await release.promise
        active--
      },
      { onCrash: 'recover' },
    )
    await manager.add(long.worker)
    await manager.start()
    const runId = await manager.trigger('long')
    await expect.poll(() => long.runs.length, PATIENCE).toBe(1)
    // What the stalled check does with a job whose lock has run out.
    const queue = `{${applicationName}}:runs.default`
    await redis.cli('hincrby', `${queue}:${runId}`, 'stc', '1')
    await redis.cli('del', `${queue}:${runId}:lock`)
    await redis.cli('lrem', `${queue}:active`, '1', runId)
    await redis.cli('rpush', `${queue}:wait`, runId)
    await redis.cli('zadd', `${queue}:marker`, '0', '0')
    await pass(3_000)
    expect(await outcomeOf(manager.trigger('long'))).toMatchObject({ code: 'worker-busy' })
    release.resolve()
    await expect.poll(() => outcomeOf(manager.trigger('long')), PATIENCE).toMatchObject({ code: 'resolved' })
    await expect.poll(async () => (await manager.get('long'))?.state, PATIENCE).toBe('idle')
    expect(most).toBe(1)
    const stopped = performance.now()
    await manager.stop({ timeoutMs: 60_000 })
    expect(performance.now() - stopped).toBeLessThan(50_000)
  })
})
