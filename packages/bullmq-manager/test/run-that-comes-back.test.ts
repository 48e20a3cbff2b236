import { assert, describe, it } from 'vitest'
import { Keys } from '../src/keys.ts'
import { Store, firstStartOf } from '../src/store.ts'
import { rarely } from './fixtures/cluster.ts'
import { deafWork } from './fixtures/deaf-work.ts'
import { PATIENCE, type Test, countingWorker, faultManager, outcomeOf, ownRedis } from './fixtures/fault-manager.ts'
import { holdingClient } from './fixtures/holding-client.ts'
import { stallRun } from './fixtures/stall-run.ts'

type Gate = PromiseWithResolvers<void>

const isDecision = (words: string) => words.includes(':records:tidy:runs') && !words.includes('"outcome"')
const isReading = (words: string) => words.startsWith('hmget') && words.includes('definition:tidy')

/** A run of `tidy` that is to be recovered, and whose lease runs out when it is about to be decided. */
async function runBeforeDecision(test: Test) {
  const redis = await ownRedis(test)
  const { client, hold } = holdingClient(test, redis.url)
  const { manager, applicationName, logger } = faultManager(test, { connection: client })
  const { doWork, activeAtOnce, end } = deafWork(test)
  const tidy = countingWorker('tidy', rarely(), doWork, { onCrash: 'recover' })
  await manager.add(tidy.worker)
  await manager.start()
  const held = hold(isDecision)
  const runId = await manager.trigger('tidy')
  const decide = await held
  const comeBack = () => stallRun(redis, applicationName, runId)
  return { manager, logger, hold, runId, activeAtOnce, end, decide, comeBack }
}

describe.concurrent('a run whose lease runs out while it is decided, and that comes back here', () => {
  for (const [when, isHeld] of [
    ['before', isReading],
    ['after', isDecision],
  ] as const) {
    it(`starts once, where the first decision arrives ${when} the worker is read for the second`, async (test) => {
      const { expect } = test
      const { manager, logger, hold, runId, activeAtOnce, end, decide, comeBack } = await runBeforeDecision(test)
      const held = hold(isHeld)
      await comeBack()
      const goOn = await held
      decide()
      await expect.poll(() => logger.count('a run lost its lease before it could start'), PATIENCE).toBe(1)
      expect(activeAtOnce).toEqual([])
      goOn()
      await expect.poll(() => activeAtOnce.length, PATIENCE).toBe(1)
      end.resolve()
      await expect
        .poll(async () => (await manager.runs('tidy')).map((run) => [run.runId, run.outcome]), PATIENCE)
        .toEqual([
          [runId, 'succeeded'],
          [runId, 'lost'],
        ])
      await expect.poll(async () => (await manager.get('tidy'))?.state, PATIENCE).toBe('idle')
      expect(activeAtOnce).toEqual([1])
    })
  }
})

it('a run that is recovered here while its first start is just ending has its lease renewed', async (test) => {
  const { expect } = test
  const redis = await ownRedis(test)
  const { client, hold } = holdingClient(test, redis.url)
  const { manager, applicationName } = faultManager(test, { connection: client, concurrency: 2 })
  const [first, second, otherRun] = [1, 2, 3].map(() => Promise.withResolvers<void>()) as [Gate, Gate, Gate]
  test.onTestFinished(() => {
    for (const { resolve } of [first, second, otherRun]) resolve()
  })
  const aborted: number[] = []
  const tidy = countingWorker(
    'tidy',
    rarely(),
    ({ signal }) => {
      const start = tidy.runs.length
      signal.addEventListener('abort', () => aborted.push(start))
      return start === 1 ? first.promise : second.promise
    },
    { onCrash: 'recover' },
  )
  const other = countingWorker('other', rarely(), () => otherRun.promise)
  for (const { worker } of [tidy, other]) await manager.add(worker)
  await manager.start()
  const runId = await manager.trigger('tidy')
  await expect.poll(() => tidy.runs.length, PATIENCE).toBe(1)
  await manager.trigger('other')
  await expect.poll(() => other.runs.length, PATIENCE).toBe(1)
  const lock = `{${applicationName}}:runs.default:${runId}:lock`
  const firstLease = new RegExp(`${await client.get(lock)}(?!\\d)`)
  // Another instance records it as lost; there is no place for it yet.
  await stallRun(redis, applicationName, runId)
  const store = new Store(client, new Keys(applicationName), () => {})
  const { active } = await store.read('tidy')
  assert(active)
  await store.finishRun(
    { ...active.record, outcome: 'lost', reason: 'crash' },
    active.token,
    100,
    false,
    firstStartOf(runId),
  )
  await expect.poll(() => aborted, PATIENCE).toEqual([1])
  // What BullMQ still has to say of the first start is overtaken by the end of the other run, which makes room.
  let goOn: (() => void) | undefined
  void hold((words) => firstLease.test(words)).then((release) => {
    goOn = release
  })
  first.resolve()
  await expect.poll(() => goOn !== undefined || tidy.runs.length === 2, PATIENCE).toBe(true)
  otherRun.resolve()
  const isPutOff = async () => (await client.zcard(`{${applicationName}}:runs.default:delayed`)) === 1
  await expect.poll(async () => tidy.runs.length === 2 || (await isPutOff()), PATIENCE).toBe(true)
  goOn?.()
  await expect.poll(() => tidy.runs.length, PATIENCE).toBe(2)
  let leastMs = Number.POSITIVE_INFINITY
  const isRenewed = async () => {
    const leftMs = await client.pttl(lock)
    leastMs = Math.min(leastMs, leftMs)
    return leastMs > 0 && leftMs > leastMs
  }
  await expect.poll(isRenewed, PATIENCE).toBe(true)
  expect(aborted).toEqual([1])
})

it('a run that a stop gave up on keeps its worker from running after the next start, until it has ended', async (test) => {
  const { expect } = test
  const redis = await ownRedis(test)
  const { manager, applicationName } = faultManager(test, { connection: redis.url })
  const end = Promise.withResolvers<void>()
  test.onTestFinished(() => end.resolve())
  let active = 0
  const activeAtOnce: number[] = []
  const deaf = async () => {
    activeAtOnce.push(++active)
    await end.promise
    active--
  }
  const tidy = countingWorker('tidy', rarely(), deaf, { onCrash: 'recover' })
  await manager.add(tidy.worker)
  await manager.start()
  const runId = await manager.trigger('tidy')
  await expect.poll(() => activeAtOnce.length, PATIENCE).toBe(1)
  expect(await manager.stop({ timeoutMs: 100 })).toMatchObject({ abandoned: [{ runId }] })
  await manager.start()
  await stallRun(redis, applicationName, runId)
  const isPutOff = async () => (await redis.cli('zcard', `{${applicationName}}:runs.default:delayed`)) === '1'
  await expect.poll(async () => activeAtOnce.length > 1 || (await isPutOff()), PATIENCE).toBe(true)
  expect(await outcomeOf(manager.trigger('tidy'))).toMatchObject({ code: 'worker-busy' })
  end.resolve()
  await expect
    .poll(async () => (await manager.runs('tidy')).map((run) => [run.runId, run.outcome]), PATIENCE)
    .toEqual([
      [runId, 'succeeded'],
      [runId, 'aborted'],
    ])
  expect(activeAtOnce).toEqual([1, 1])
})
