import { every } from '@background-workers/abstractions'
import { type RedisServer, freshApplicationName } from 'test-redis'
import { type TestContext, describe, it } from 'vitest'
import type { RedisConnection } from '../src/options.ts'
import { HOUR_MS } from './fixtures/cluster.ts'
import type { ChildSettings } from './fixtures/fault-child.ts'
import { LATE_TIMERS_MS, faultManager, ownProxy, ownRedis } from './fixtures/fault-manager.ts'
import { FaultProcess } from './fixtures/fault-process.ts'

const STOP_MS = 1_500
const START_MS = 2_000
/** The deadline, and 1 s for what was aborted then. Nothing is added for closing. */
const ABANDONED_WITHIN_MS = STOP_MS + 1_000

/** How Redis fails while a manager runs. Resolves when the manager has seen it, where it can. */
const FAILURES: Record<string, (redis: RedisServer, process: FaultProcess) => Promise<unknown>> = {
  'while Redis is there': async () => {},
  'while Redis is away': async (redis, process) => {
    await redis.kill()
    await lost(process)
  },
  'while Redis is frozen': async (redis) => redis.suspend(),
  'after Redis was restarted in mid-run': async (redis, process) => {
    await redis.stop()
    await lost(process)
    await redis.restart()
    await restored(process)
  },
  'after Redis was killed and restored from its log': async (redis, process) => {
    await redis.kill()
    await lost(process)
    await redis.restart()
    await restored(process)
  },
  'while Redis is just back': async (redis, process) => {
    await redis.kill()
    await lost(process)
    await redis.restart()
  },
  'after Redis was emptied': (redis) => redis.cli('flushall'),
  'after Redis was emptied and filled again': async (redis, process) => {
    await redis.cli('flushall')
    await process.waitFor((event) => event.event === 'said' && event.name === 'schedules-repaired')
  },
  'while Redis is read-only': async (redis, process) => {
    await redis.cli('replicaof', '127.0.0.1', '1')
    await lost(process)
  },
  'while Redis is full': async (redis, process) => {
    await redis.cli('config', 'set', 'maxmemory', '1mb')
    await lost(process)
  },
}

/** How Redis is when a manager starts, so that the start fails. */
const FAILURES_AT_START: Record<string, (redis: RedisServer) => Promise<unknown>> = {
  'is away': (redis) => redis.stop(),
  'is frozen': async (redis) => redis.suspend(),
  'is read-only': (redis) => redis.cli('replicaof', '127.0.0.1', '1'),
  'refuses the password': (redis) => redis.cli('acl', 'setuser', 'shop', '<secret', '>another'),
  'lets its user not write': (redis) => redis.cli('acl', 'setuser', 'shop', '-@write'),
  'is full': (redis) => redis.cli('config', 'set', 'maxmemory', '1mb'),
}

describe.concurrent('stop returns within its deadline and the process exits by itself', () => {
  for (const [when, fail] of Object.entries(FAILURES)) {
    it(when, async (test) => {
      const redis = await ownRedis(test, { appendOnly: true })
      const process = await startBusy(test, redis.url)
      await fail(redis, process)
      await stopsAndExits(test, process)
    })
  }

  it('and where Redis answers, all is written and the instance has left, though a run was abandoned', async (test) => {
    const { expect } = test
    const redis = await ownRedis(test)
    const applicationName = freshApplicationName()
    const process = await startBusy(test, redis.url, applicationName)
    await stopsAndExits(test, process)
    expect(await redis.cli('exists', `{${applicationName}}:instances`)).toBe('0')
    const { manager } = faultManager(test, { applicationName, connection: redis.url, isEnabled: false })
    await manager.start()
    expect(await manager.runs('good')).toMatchObject([{ outcome: 'aborted', reason: 'stop' }])
    // It goes on, and nobody else may have it before its lease has run out.
    expect(await manager.get('deaf')).toMatchObject({ state: 'running' })
  })

  it('while its user may not write any more', async (test) => {
    const redis = await ownRedis(test)
    const process = await startBusy(test, await shopUrl(redis))
    await redis.cli('acl', 'setuser', 'shop', '-@write')
    await lost(process)
    await stopsAndExits(test, process)
  })

  it('while its password is no longer the right one', async (test) => {
    const redis = await ownRedis(test)
    const process = await startBusy(test, await shopUrl(redis))
    await redis.cli('acl', 'setuser', 'shop', '<secret', '>another')
    await redis.cli('client', 'kill', 'user', 'shop')
    await lost(process)
    await stopsAndExits(test, process)
  })

  it('while connections are half-open', async (test) => {
    const redis = await ownRedis(test)
    const proxy = await ownProxy(test, redis)
    const process = await startBusy(test, proxy.url)
    proxy.freeze()
    proxy.refuse()
    await stopsAndExits(test, process)
  })

  it('while nothing runs and Redis is frozen', async (test) => {
    const { expect } = test
    const redis = await ownRedis(test)
    const process = await FaultProcess.start(test, settings(redis.url))
    redis.suspend()
    const { value, runningMs } = await process.call('stop', { timeoutMs: STOP_MS })
    expect(value).toEqual({ finished: 0, abandoned: [] })
    expect(runningMs).toBeLessThan(STOP_MS + LATE_TIMERS_MS)
    await exits(test, process)
  })

  for (const [how, fail] of Object.entries(FAILURES_AT_START)) {
    it(`after a start that failed because Redis ${how}`, async (test) => {
      const { expect } = test
      const redis = await ownRedis(test)
      const url = await shopUrl(redis)
      await fail(redis)
      const process = await FaultProcess.spawn(test, settings(url))
      const start = await process.call('start')
      expect(['start-timeout', 'store-unavailable']).toContain(start.error)
      expect(start.runningMs).toBeLessThan(START_MS + LATE_TIMERS_MS)
      const { value, runningMs } = await process.call('stop', { timeoutMs: STOP_MS })
      expect(value).toEqual({ finished: 0, abandoned: [] })
      expect(runningMs).toBeLessThan(LATE_TIMERS_MS)
      await exits(test, process)
    })
  }

  it('while a start waits for Redis, whose deadline is that of the stop, too', async (test) => {
    const { expect } = test
    const redis = await ownRedis(test)
    await redis.stop()
    const process = await FaultProcess.spawn(test, settings(redis.url))
    const [start, stop] = await Promise.all([process.call('start'), process.call('stop', { timeoutMs: STOP_MS })])
    expect(start.error).toBe('start-timeout')
    expect(stop.value).toEqual({ finished: 0, abandoned: [] })
    expect(stop.runningMs).toBeLessThan(START_MS + LATE_TIMERS_MS)
    await exits(test, process)
  })
})

/** For a user of the application's own, whose rights can be taken. It is gone when Redis has restarted. */
async function shopUrl(redis: RedisServer): Promise<string> {
  await redis.cli('acl', 'setuser', 'shop', 'on', '>secret', '~*', '&*', '+@all')
  return redis.url.replace('redis://', 'redis://shop:secret@')
}

function settings(connection: RedisConnection): ChildSettings {
  return {
    options: {
      applicationName: freshApplicationName(),
      connection,
      startTimeoutMs: START_MS,
      commandTimeoutMs: 500,
    },
    workers: [{ name: 'tidy', schedule: every(HOUR_MS) }],
  }
}

/** A process with a run that does not heed its signal, one that does, and a busy schedule. */
async function startBusy(
  test: TestContext,
  connection: string,
  applicationName = freshApplicationName(),
): Promise<FaultProcess> {
  const process = await FaultProcess.start(test, {
    options: { applicationName, connection, commandTimeoutMs: 500 },
    workers: [
      { name: 'deaf', schedule: every(HOUR_MS), work: 'outlive-signal', forMs: 9_000 },
      { name: 'good', schedule: every(HOUR_MS), work: 'heed-signal', forMs: HOUR_MS },
      { name: 'busy', schedule: every(1_000) },
    ],
  })
  for (const name of ['deaf', 'good']) {
    await process.call('trigger', name)
    await process.waitFor((event) => event.event === 'body' && event.worker === name)
  }
  return process
}

async function lost(process: FaultProcess): Promise<void> {
  await process.waitFor((event) => event.event === 'said' && event.name === 'store-lost')
}

async function restored(process: FaultProcess): Promise<void> {
  await process.waitFor((event) => event.event === 'said' && event.name === 'store-restored')
}

async function stopsAndExits(test: TestContext, process: FaultProcess): Promise<void> {
  const { expect } = test
  const { value, error, runningMs } = await process.call('stop', { timeoutMs: STOP_MS })
  expect(error).toBeUndefined()
  expect(value).toMatchObject({ abandoned: [{ worker: 'deaf' }] })
  expect(runningMs).toBeLessThan(ABANDONED_WITHIN_MS + LATE_TIMERS_MS)
  await exits(test, process)
}

/** Nothing but a body that goes on after its abort holds the process. */
async function exits({ expect }: TestContext, process: FaultProcess): Promise<void> {
  expect(await process.waitForExit(60_000)).toMatchObject({ code: 0 })
  expect(process.errors).toBe('')
  const [afterMs] = process.events.flatMap((event) => (event.event === 'exit' ? [event.afterMs] : []))
  expect(afterMs).toBeLessThan(LATE_TIMERS_MS)
}
