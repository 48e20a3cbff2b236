import { describe, it } from 'vitest'
import { rarely } from './fixtures/cluster.ts'
import { PATIENCE, type Test, countingWorker, faultManager, ownRedis } from './fixtures/fault-manager.ts'
import { holdingClient } from './fixtures/holding-client.ts'
import { stallRun } from './fixtures/stall-run.ts'

const isDecision = (words: string) => words.includes(':records:tidy:runs') && !words.includes('"outcome"')
const isReading = (words: string) => words.startsWith('hmget') && words.includes('definition:tidy')

/** A run of `tidy` that is to be recovered, and whose lease runs out when it is about to be decided. */
async function runBeforeDecision(test: Test) {
  const redis = await ownRedis(test)
  const { client, hold } = holdingClient(test, redis.url)
  const { manager, applicationName, logger } = faultManager(test, { connection: client })
  const end = Promise.withResolvers<void>()
  test.onTestFinished(() => end.resolve())
  let active = 0
  const activeAtOnce: number[] = []
  const doWork = async () => {
    activeAtOnce.push(++active)
    await end.promise
    active--
  }
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
