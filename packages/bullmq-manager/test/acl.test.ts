import { cron, every } from '@background-workers/abstractions'
import { withClient } from 'test-redis'
import { describe, it } from 'vitest'
import { HOUR_MS } from './fixtures/cluster.ts'
import { PATIENCE, countingWorker, faultManager, outcomeOf, ownRedis } from './fixtures/fault-manager.ts'
import { FaultProcess } from './fixtures/fault-process.ts'

/** All that the manager and BullMQ send, for an application named `shop`. docs/operating.md quotes it. */
const ACL_RULES = [
  'resetkeys ~{shop}:* resetchannels -@all',
  // the connection
  '+hello +auth +ping +info +time +client|setname',
  // scripts and transactions; what they call needs the rights below
  '+eval +evalsha +multi +exec',
  '+exists +get +set +del +incr +persist +pexpire +pttl',
  '+hset +hsetnx +hmset +hget +hmget +hgetall +hdel +hexists +hincrby +hvals',
  '+zadd +zrem +zcard +zscore +zrange +zrevrange +zrangebyscore +zrevrangebyscore',
  '+zremrangebyrank +zremrangebyscore +zpopmin +bzpopmin',
  '+lpush +rpush +lrem +llen +lrange +lpos +ltrim +rpoplpush',
  '+sadd +srem +scard +smembers',
  '+xadd +xtrim',
].join(' ')

describe('a Redis user with the least rights', () => {
  it('is all that a manager needs to register, run and control', async (test) => {
    const { expect } = test
    const redis = await ownRedis(test)
    await redis.cli('acl', 'setuser', 'shop', 'on', '>secret', ...ACL_RULES.split(' '))
    const connection = redis.url.replace('redis://', 'redis://shop:secret@')
    const { manager, logger } = faultManager(test, { applicationName: 'shop', connection, release: 3 })
    const release = Promise.withResolvers<void>()
    const tidy = countingWorker('tidy', every(1_000), () => {}, { runOnStart: true, jitterMs: 200, keepRuns: 2 })
    const byCron = countingWorker('by-cron', cron('* * * * * *'))
    const long = countingWorker('long', every(HOUR_MS), () => release.promise, { onCrash: 'recover' })
    const failing = countingWorker('failing', every(1_000), () => {
      throw new Error('no')
    })
    for (const { worker } of [tidy, byCron, long, failing]) await manager.add(worker)
    await manager.start()

    const longRun = await manager.trigger('long')
    expect(await outcomeOf(manager.trigger('long'))).toMatchObject({ code: 'worker-busy' })
    await expect.poll(() => long.runs.length, PATIENCE).toBe(1)
    expect(await manager.cancel(longRun)).toBe(true)
    release.resolve()
    for (const { runs } of [tidy, byCron, failing]) await expect.poll(() => runs.length, PATIENCE).toBeGreaterThan(3)
    await manager.pause('tidy')
    await manager.resume('tidy')
    await manager.reschedule('tidy', every(2_000))
    await manager.reschedule('tidy', undefined)
    await manager.add(countingWorker('late', every(1_000)).worker)
    expect(await manager.remove('late')).toBe(true)
    await manager.runs('tidy')
    expect(await manager.list()).toHaveLength(4)

    // A process that dies leaves a run to be recovered here.
    await expect.poll(async () => (await manager.get('long'))?.state, PATIENCE).toBe('idle')
    const dying = await FaultProcess.start(test, {
      options: { applicationName: 'shop', connection, release: 3, queues: ['other'] },
      workers: [
        { name: 'remote', schedule: every(HOUR_MS), policy: { queue: 'other' }, work: 'ignore-signal', forMs: 1e6 },
      ],
    })
    const { value: runId } = await dying.call('trigger', 'remote')
    await dying.waitFor((event) => event.event === 'body')
    expect(await manager.cancel(String(runId))).toBe(true)
    await dying.waitFor((event) => event.event === 'aborted')
    await manager.stop()
    await dying.call('stop', { timeoutMs: 100 })

    const denied = await redis.cli('acl', 'log')
    expect(denied, denied).toBe('')
    expect(logger.lines.filter(({ level, message }) => level === 'error' && message !== 'run failed')).toEqual([])
  })

  it('can not look at the keys of others', async (test) => {
    const { expect } = test
    const redis = await ownRedis(test)
    await redis.cli('acl', 'setuser', 'shop', 'on', '>secret', ...ACL_RULES.split(' '))
    await redis.cli('set', '{bank}:meta', '1')
    await withClient(redis.url.replace('redis://', 'redis://shop:secret@'), async (client) => {
      await expect(client.get('{bank}:meta')).rejects.toThrow('NOPERM')
      await expect(client.keys('*')).rejects.toThrow('NOPERM')
      await expect(client.flushall()).rejects.toThrow('NOPERM')
      await expect(client.eval("return redis.call('GET', '{bank}:meta')", 0)).rejects.toThrow("can't access")
    })
  })
})
