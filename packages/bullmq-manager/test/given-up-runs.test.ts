import { Redis, ReplyError } from 'ioredis'
import { describe, it } from 'vitest'
import { rarely } from './fixtures/cluster.ts'
import { PATIENCE, type Test, countingWorker, faultManager, ownApplication } from './fixtures/fault-manager.ts'

/** A running instance, and which scripts its Redis refuses from now on. */
async function instance(test: Test, ownStart?: () => Promise<void>) {
  const { options, key } = await ownApplication(test)
  const client = new Redis(options.connection, { maxRetriesPerRequest: null })
  test.onTestFinished(() => client.disconnect())
  const evalsha = client.evalsha.bind(client)
  const refused = { isRefused: (_words: string) => false, count: 0 }
  client.evalsha = ((...args: [string, string]) => {
    if (!refused.isRefused(args.join(' '))) return evalsha(...args)
    refused.count++
    return Promise.reject(new ReplyError("OOM command not allowed when used memory > 'maxmemory'."))
  }) as never
  const { manager, logger, countEvents } = faultManager(test, { ...options, connection: client })
  const tidy = countingWorker('tidy', rarely())
  if (ownStart) tidy.worker.start = ownStart
  await manager.add(tidy.worker)
  await manager.start()
  const latest = async () => (await manager.runs('tidy'))[0]
  return { manager, client, options, key, refused, logger, countEvents, runs: tidy.runs, latest }
}

const isDecision = (words: string) => words.includes(':records:tidy:runs') && !words.includes('"outcome"')
const isNonRun = (words: string) => words.includes(':records:tidy:non-runs')

describe.concurrent('a run that has not started', () => {
  it('is missed when BullMQ gives it up, as two processes have died that had taken it', async (test) => {
    const { expect } = test
    const { options, key } = await ownApplication(test)
    const { manager } = faultManager(test, { ...options, queues: [] })
    await manager.add(countingWorker('tidy', rarely()).worker)
    await manager.start()
    const runId = await manager.trigger('tidy')
    const client = new Redis(options.connection)
    test.onTestFinished(() => client.disconnect())
    // As the second look that finds it without its lease.
    await client.hset(key(`runs.default:${runId}`), 'stc', '2', 'defa', 'job stalled more than allowable limit')
    const taking = faultManager(test, options)
    const { worker, runs } = countingWorker('tidy', rarely())
    await taking.manager.add(worker)
    await taking.manager.start()
    await expect
      .poll(() => manager.runs('tidy'), PATIENCE)
      .toMatchObject([{ runId, outcome: 'missed', reason: 'crash', attempts: 0 }])
    await expect.poll(() => taking.countEvents('run-skipped'), PATIENCE).toBe(1)
    expect(runs).toEqual([])
  })

  it('is missed when Redis has refused six times to decide it, and says what Redis said', async (test) => {
    const { expect } = test
    const { manager, refused, logger, countEvents, runs, latest } = await instance(test)
    refused.isRefused = isDecision
    const runId = await manager.trigger('tidy')
    await expect.poll(latest, PATIENCE).toMatchObject({
      runId,
      outcome: 'missed',
      reason: 'no-handler',
      error: { message: expect.stringContaining('OOM') },
    })
    expect([refused.count, logger.count('could not be decided'), runs]).toEqual([6, 2, []])
    await expect.poll(() => countEvents('run-skipped'), PATIENCE).toBe(1)
    // The guard is free again.
    refused.isRefused = () => false
    await expect.poll(() => manager.trigger('tidy').catch(() => undefined), PATIENCE).toBeDefined()
    await expect.poll(latest, PATIENCE).toMatchObject({ outcome: 'succeeded' })
  })

  it('is not given up while Redis refuses to record that, too', async (test) => {
    const { expect } = test
    const { manager, refused, logger, latest } = await instance(test)
    // Six decisions, and that the run is missed.
    refused.isRefused = (words) => (isDecision(words) || isNonRun(words)) && refused.count < 7
    const runId = await manager.trigger('tidy')
    await expect.poll(latest, PATIENCE).toMatchObject({ runId, outcome: 'succeeded' })
    expect([refused.count, logger.count('could not be decided')]).toEqual([7, 2])
  })

  it('is tried again when Redis refuses it once, however often it was put off while its worker started', async (test) => {
    const { expect } = test
    const starting = Promise.withResolvers<void>()
    test.onTestFinished(() => starting.resolve())
    const { client, options, key, refused, latest } = await instance(test, () => starting.promise)
    const operator = faultManager(test, { ...options, isEnabled: false })
    await operator.manager.start()
    const runId = await operator.manager.trigger('tidy')
    const starts = async () => Number(await client.hget(key(`runs.default:${runId}`), 'ats'))
    await expect.poll(starts, PATIENCE).toBeGreaterThan(6)
    refused.isRefused = (words) => isDecision(words) && refused.count === 0
    starting.resolve()
    await expect.poll(latest, PATIENCE).toMatchObject({ runId, outcome: 'succeeded' })
    expect(refused.count).toBe(1)
  })
})
