import { cron, every } from '@background-workers/abstractions'
import { withClient } from 'test-redis'
import { describe, it } from 'vitest'
import { Keys } from '../src/keys.ts'
import { RunQueues } from '../src/run-queues.ts'
import { DAY_MS, HOUR_MS, lastRareSlot, rarely } from './fixtures/cluster.ts'
import { PATIENCE, type Test, countingWorker, faultManager, ownApplication } from './fixtures/fault-manager.ts'
import { FaultProcess } from './fixtures/fault-process.ts'

const MONTH_MS = 30 * 86_400_000

describe.concurrent('a mark that is a month ahead, as after a clock was set back,', () => {
  for (const mark of ['decided', 'started', 'next', 'decided and started and next'] as const) {
    for (const when of ['while the application is down', 'while it runs'] as const) {
      it(`(${mark}) is repaired ${when}, and that is announced`, async (test) => {
        const { expect } = test
        const { key, options } = await ownApplication(test)
        const start = async () => {
          const faulty = faultManager(test, options)
          const interval = countingWorker('interval', every(1_000))
          const byCron = countingWorker('by-cron', cron('* * * * * *'))
          for (const { worker } of [interval, byCron]) await faulty.manager.add(worker)
          await faulty.manager.start()
          return { ...faulty, runs: [interval.runs, byCron.runs] }
        }
        let running = await start()
        // One that runs looks for such marks at its second heartbeat, 10 s after its start, and then for five minutes no more.
        if (when === 'while the application is down') {
          for (const runs of running.runs) await expect.poll(() => runs.length, PATIENCE).toBeGreaterThan(0)
          await running.manager.stop()
        }
        await withClient(options.connection, async (client) => {
          const ahead = Math.floor(Date.now() / 1_000) * 1_000 + MONTH_MS
          for (const name of ['interval', 'by-cron']) {
            for (const field of ['decided', 'started']) {
              if (mark.includes(field)) await client.hset(key('workers'), `${field}:${name}`, ahead)
            }
            if (mark.includes('next')) await client.zadd(key('ticks:repeat'), 'XX', ahead, name)
          }
          await client.hincrby(key('workers'), 'version', 1)
        })
        if (when === 'while the application is down') running = await start()
        await expect.poll(() => running.countEvents('schedules-repaired'), PATIENCE).toBeGreaterThan(0)
        const before = running.runs.map(({ length }) => length)
        for (const [index, runs] of running.runs.entries()) {
          await expect.poll(() => runs.length, PATIENCE).toBeGreaterThan((before[index] as number) + 2)
          expect(new Set(runs.map(({ slot }) => slot)).size).toBe(runs.length)
        }
        await expect.poll(() => running.manager.health(), PATIENCE).toMatchObject({ status: 'ok' })
      })
    }
  }

  it('keeps no slot from running that comes again, though BullMQ still has its failed job', async (test) => {
    const { expect } = test
    const { key, options } = await ownApplication(test)
    const { manager, countEvents } = faultManager(test, options)
    const tidy = countingWorker('tidy', every(1_000, { offset: 0 }))
    await manager.add(tidy.worker)
    await withClient(options.connection, async (client) => {
      const keepFailed = async (runId: string) => {
        const job = { name: 'run', data: '{}', opts: '{}', timestamp: 0, failedReason: 'broken' }
        await client.hset(key(`runs.default:${runId}`), job)
        await client.zadd(key('runs.default:failed'), 1, runId)
      }
      await keepFailed('tidy.m-1')
      const from = Math.floor(Date.now() / 1_000) * 1_000
      for (let count = 1; count < 300; count++) await keepFailed(`tidy.${from + count * 1_000}`)
      await manager.start()
      await client.hset(key('workers'), 'decided:tidy', from + MONTH_MS)
      await client.hincrby(key('workers'), 'version', 1)
      await expect.poll(() => countEvents('schedules-repaired'), PATIENCE).toBeGreaterThan(0)
      await expect.poll(() => tidy.runs.length, PATIENCE).toBeGreaterThan(2)
      expect(new Set(tidy.runs.map(({ slot }) => slot)).size).toBe(tidy.runs.length)
      expect(await client.zscore(key('runs.default:failed'), 'tidy.m-1')).toBe('1')
    })
  })

  for (const [what, kind, shiftMs, outcomes] of [
    ['a slot that comes again', 'scheduled', MONTH_MS, []],
    ['a slot that has passed', 'scheduled', -HOUR_MS, ['missed']],
    ['a run that was triggered', 'manual', -HOUR_MS, ['succeeded']],
  ] as const) {
    it(`keeps no slot from running, though ${what} is put off until then`, async (test) => {
      const { expect } = test
      const { key, options } = await ownApplication(test)
      const { manager, countEvents } = faultManager(test, options)
      const tidy = countingWorker('tidy', every(1_000, { offset: 0 }))
      await manager.add(tidy.worker)
      await withClient(options.connection, async (client) => {
        const keys = new Keys(options.applicationName)
        const runQueues = new RunQueues({ client, keys, onError: () => {} })
        const slot = Math.floor((Date.now() + shiftMs) / 1_000) * 1_000
        const runId = `tidy.${kind === 'manual' ? 'm-1' : slot}`
        await runQueues.add('default', { runId, worker: 'tidy', kind, slot, missedSlots: 0, delayMs: MONTH_MS })
        await runQueues.close()
        await manager.start()
        await client.hset(key('workers'), 'decided:tidy', Date.now() + MONTH_MS)
        await client.hincrby(key('workers'), 'version', 1)
        await expect.poll(() => countEvents('schedules-repaired'), PATIENCE).toBeGreaterThan(0)
        await expect.poll(() => tidy.runs.length, PATIENCE).toBeGreaterThan(2)
        const records = (await manager.runs('tidy')).filter((record) => record.runId === runId)
        expect(records.map(({ outcome }) => outcome)).toEqual(outcomes)
      })
    })
  }

  it('(a pending job that was deleted) is made again, and that is announced', async (test) => {
    const { expect } = test
    const { key, options } = await ownApplication(test)
    const { manager, countEvents } = faultManager(test, options)
    const hourly = countingWorker('hourly', every(3_600_000))
    const often = countingWorker('often', every(2_000))
    for (const { worker } of [hourly, often]) await manager.add(worker)
    await manager.start()
    await withClient(options.connection, async (client) => {
      for (const id of ['hourly', 'often']) {
        const job = `repeat:${id}:${await client.zscore(key('ticks:repeat'), id)}`
        await client.del(key(`ticks:${job}`))
        await client.zrem(key('ticks:delayed'), job)
      }
      // Only now is there something to look at for a running instance.
      await client.hincrby(key('workers'), 'version', 1)
      await expect.poll(() => countEvents('schedules-repaired'), PATIENCE).toBeGreaterThan(0)
      const next = await client.zscore(key('ticks:repeat'), 'hourly')
      expect(await client.exists(key(`ticks:repeat:hourly:${next}`))).toBe(1)
      await expect.poll(() => often.runs.length, PATIENCE).toBeGreaterThan(1)
    })
  })
})

/** A process whose clock differs from Redis, and a run of its worker, which fails. */
async function failingElsewhere(test: Test, clockOffsetMs: number, backoffMs: number) {
  const { options } = await ownApplication(test)
  const retry = { attempts: 2, backoffMs, maxBackoffMs: backoffMs }
  const tidy = { name: 'tidy', schedule: rarely(), policy: { retry }, work: 'fail' } as const
  const shifted = await FaultProcess.start(test, { options, workers: [tidy], clockOffsetMs })
  const { manager } = faultManager(test, { ...options, isEnabled: false })
  await manager.start()
  const [from, runId] = [Date.now(), await manager.trigger('tidy')]
  return { shifted, manager, from, runId }
}

describe.concurrent('a run on a machine whose clock differs from Redis', () => {
  it('is repeated before the next slot by Redis time', async (test) => {
    const { expect } = test
    const ahead = lastRareSlot() + 2 * DAY_MS - Date.now() - HOUR_MS
    const { shifted, manager, runId } = await failingElsewhere(test, ahead, 2 * HOUR_MS)
    await expect.poll(() => shifted.logged('attempt failed, it will be repeated'), PATIENCE).toBe(1)
    const [record] = await manager.runs('tidy')
    expect([record?.runId, record?.outcome]).toEqual([runId, undefined])
  })

  it('is not repeated after it, and its record has the time of Redis', async (test) => {
    const { expect } = test
    const { manager, from } = await failingElsewhere(test, -7 * DAY_MS, 3 * DAY_MS)
    const failed = async () => (await manager.runs('tidy'))[0]
    await expect.poll(failed, PATIENCE).toMatchObject({ outcome: 'failed', attempts: 1 })
    const { startedAt, finishedAt } = (await failed()) ?? {}
    // A slow machine measures it roughly.
    expect(startedAt?.getTime()).toBeGreaterThan(from - HOUR_MS)
    expect(finishedAt?.getTime()).toBeGreaterThanOrEqual(startedAt?.getTime() as number)
    expect(finishedAt?.getTime()).toBeLessThan(Date.now() + HOUR_MS)
  })
})
