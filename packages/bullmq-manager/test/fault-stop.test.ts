import { every } from '@background-workers/abstractions'
import { freshApplicationName } from 'test-redis'
import { describe, it } from 'vitest'
import { HOUR_MS } from './fixtures/cluster.ts'
import { type Test, ownProxy, ownRedis, pass } from './fixtures/fault-manager.ts'
import { FaultProcess } from './fixtures/fault-process.ts'

const STOP_MS = 1_500
/** The deadline, 1 s of grace after the abort, and the time to close what does not answer on a slow machine. */
const AT_MOST_MS = STOP_MS + 1_000 + 30_000

/** A process with a run that does not heed its signal, one that does, and a busy schedule. */
async function startBusy(test: Test, connection: string): Promise<FaultProcess> {
  const process = await FaultProcess.start(test, {
    options: { applicationName: freshApplicationName(), connection, commandTimeoutMs: 500 },
    workers: [
      { name: 'deaf', schedule: every(HOUR_MS), work: 'outlive-signal', forMs: 6_000 },
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

async function stopAndExit(
  { expect }: { expect: typeof import('vitest').expect },
  process: FaultProcess,
): Promise<void> {
  const { value, error, ms } = await process.call('stop', { timeoutMs: STOP_MS })
  expect(error).toBeUndefined()
  expect(value).toMatchObject({ abandoned: [{ worker: 'deaf' }] })
  expect(ms).toBeLessThan(AT_MOST_MS)
  // The deaf run holds the process for 6 s after its abort; nothing else does.
  const { code } = await process.waitForExit(60_000)
  expect(process.errors).toBe('')
  expect(code).toBe(0)
}

describe.concurrent('stop returns within its deadline and the process exits by itself', () => {
  it('while Redis is there', async (test) => {
    const redis = await ownRedis(test)
    await stopAndExit(test, await startBusy(test, redis.url))
  })

  it('while Redis is away', async (test) => {
    const redis = await ownRedis(test)
    const process = await startBusy(test, redis.url)
    await redis.kill()
    await process.waitFor((event) => event.event === 'said' && event.name === 'store-lost')
    await stopAndExit(test, process)
  })

  it('while Redis is frozen', async (test) => {
    const redis = await ownRedis(test)
    const process = await startBusy(test, redis.url)
    redis.suspend()
    await stopAndExit(test, process)
    redis.resume()
  })

  it('while connections are half-open', async (test) => {
    const redis = await ownRedis(test)
    const proxy = await ownProxy(test, redis)
    const process = await startBusy(test, proxy.url)
    proxy.freeze()
    proxy.refuse()
    await stopAndExit(test, process)
  })

  it('while Redis is read-only', async (test) => {
    const redis = await ownRedis(test)
    const process = await startBusy(test, redis.url)
    await redis.cli('replicaof', '127.0.0.1', '1')
    await pass(1_000)
    await stopAndExit(test, process)
  })

  it('while Redis is full', async (test) => {
    const redis = await ownRedis(test)
    const process = await startBusy(test, redis.url)
    await redis.cli('config', 'set', 'maxmemory', '1mb')
    await pass(1_000)
    await stopAndExit(test, process)
  })

  it('while its user may not write any more', async (test) => {
    const redis = await ownRedis(test)
    await redis.cli('acl', 'setuser', 'shop', 'on', '>secret', '~*', '&*', '+@all')
    const process = await startBusy(test, redis.url.replace('redis://', 'redis://shop:secret@'))
    await redis.cli('acl', 'setuser', 'shop', '-@write')
    await process.waitFor((event) => event.event === 'said' && event.name === 'store-lost')
    await stopAndExit(test, process)
  })

  it('while its password is no longer the right one', async (test) => {
    const redis = await ownRedis(test)
    await redis.cli('acl', 'setuser', 'shop', 'on', '>secret', '~*', '&*', '+@all')
    const process = await startBusy(test, redis.url.replace('redis://', 'redis://shop:secret@'))
    await redis.cli('acl', 'setuser', 'shop', '<secret', '>another')
    await redis.cli('client', 'kill', 'user', 'shop')
    await process.waitFor((event) => event.event === 'said' && event.name === 'store-lost')
    await stopAndExit(test, process)
  })

  it('after Redis was restarted in mid-run', async (test) => {
    const redis = await ownRedis(test, { appendOnly: true })
    const process = await startBusy(test, redis.url)
    await redis.kill()
    await process.waitFor((event) => event.event === 'said' && event.name === 'store-lost')
    await redis.restart()
    await stopAndExit(test, process)
  })

  it('after Redis was emptied', async (test) => {
    const redis = await ownRedis(test)
    const process = await startBusy(test, redis.url)
    await redis.cli('flushall')
    await stopAndExit(test, process)
  })

  it('while a start waits for Redis', async (test) => {
    const { expect } = test
    const redis = await ownRedis(test)
    await redis.stop()
    const process = await FaultProcess.spawn(test, {
      options: { applicationName: freshApplicationName(), connection: redis.url, startTimeoutMs: 2_000 },
      workers: [{ name: 'busy', schedule: every(1_000) }],
    })
    const [start, stop] = await Promise.all([process.call('start'), process.call('stop', { timeoutMs: STOP_MS })])
    expect(start.error).toBe('start-timeout')
    expect(stop).toMatchObject({ value: { finished: 0, abandoned: [] } })
    expect(await process.waitForExit(60_000)).toMatchObject({ code: 0 })
    expect(process.errors).toBe('')
  })
})
