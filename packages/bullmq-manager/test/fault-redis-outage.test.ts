import { every } from '@background-workers/abstractions'
import { withClient } from 'test-redis'
import { describe, it } from 'vitest'
import { HOUR_MS } from './fixtures/cluster.ts'
import {
  PATIENCE,
  countingWorker,
  faultManager,
  isSilent,
  lastingReasons,
  outcomeOf,
  ownProxy,
  ownRedis,
} from './fixtures/fault-manager.ts'
import { holdingClient } from './fixtures/holding-client.ts'
import { stoodStillMs } from './fixtures/running-clock.ts'
import { passed } from './fixtures/until.ts'

/** A heartbeat of 10 s, another instance's write lock of 10 s, and 5 s to do it. */
const RESTORED_WITHIN_MS = 25_000
/** As is promised of a connection that is half-open. */
const NOTICED_WITHIN_MS = 30_000

describe.concurrent('while a manager runs', () => {
  for (const [how, end] of [
    ['is restarted', 'stop'],
    ['is killed and restored from its log', 'kill'],
  ] as const) {
    it(`and Redis ${how}, the run completes, an overdue slot runs once and schedules go on`, async (test) => {
      const { expect } = test
      const redis = await ownRedis(test, { appendOnly: true })
      const { manager, countEvents, logger } = faultManager(test, { connection: redis.url })
      const release = Promise.withResolvers<void>()
      const long = countingWorker('long', every(HOUR_MS), () => release.promise)
      const tidy = countingWorker('tidy', every(2_000), () => {}, { catchUpWindowMs: 60_000 })
      const paused = countingWorker('paused', every(1_000))
      for (const { worker } of [long, tidy, paused]) await manager.add(worker)
      await manager.start()
      await manager.pause('paused', { note: 'until Monday' })
      await manager.reschedule('tidy', every(1_500))
      const runId = await manager.trigger('long')
      await expect.poll(() => long.runs.length, PATIENCE).toBe(1)
      await expect.poll(() => tidy.runs.length, PATIENCE).toBeGreaterThan(0)

      await redis[end]()
      await expect.poll(() => countEvents('store-lost'), PATIENCE).toBe(1)
      await expect.poll(() => manager.health(), PATIENCE).toMatchObject({ status: 'unhealthy' })
      const before = tidy.runs.length
      await passed(Date.now() + 3_500)
      expect(tidy.runs.length).toBe(before)
      release.resolve()
      await redis.restart()

      await expect.poll(() => countEvents('store-restored'), PATIENCE).toBe(1)
      await expect.poll(() => tidy.runs.length, PATIENCE).toBeGreaterThan(before + 1)
      expect(new Set(tidy.runs.map(({ slot }) => slot)).size).toBe(tidy.runs.length)
      // One that had been added when Redis went away may come first.
      await expect.poll(() => tidy.runs.slice(before).some(({ missedSlots }) => missedSlots > 0), PATIENCE).toBe(true)
      await expect
        .poll(async () => (await manager.runs('long'))[0], PATIENCE)
        .toMatchObject({ runId, outcome: 'succeeded' })
      expect(long.runs).toHaveLength(1)
      expect(await manager.get('paused')).toMatchObject({ state: 'paused', paused: { note: 'until Monday' } })
      expect(await manager.get('tidy')).toMatchObject({ schedule: { override: { schedule: { periodMs: 1_500 } } } })
      await expect.poll(() => manager.health(), PATIENCE).toMatchObject({ status: 'ok' })
      expect([logger.count('Redis is lost'), logger.count('Redis is back')]).toEqual([1, 1])
      expect(isSilent(logger), JSON.stringify(logger.lines)).toBe(true)
    })
  }

  it('and Redis goes away, it says that the connection was closed, and its health then says why there is no other', async (test) => {
    const { expect } = test
    const redis = await ownRedis(test)
    const { manager, events, countEvents, logger } = faultManager(test, {
      connection: redis.url,
      commandTimeoutMs: 200,
    })
    await manager.start()
    await redis.stop()
    await expect.poll(() => countEvents('store-lost'), PATIENCE).toBe(1)
    // A command that was under way may have its own error.
    const error = expect.objectContaining({ message: expect.stringMatching(/the connection was closed|ECONNRESET/) })
    expect(events.find(({ name }) => name === 'store-lost')?.payload).toEqual({ error })
    expect(logger.lines.find(({ message }) => message.startsWith('Redis is lost'))?.data).toEqual({ err: error })
    const reasons = async () => (await manager.health()).reasons.map(({ message }) => message)
    await expect.poll(reasons, PATIENCE).toContainEqual(expect.stringMatching(/is not reachable: connect ECONNREFUSED/))
    expect([countEvents('store-lost'), logger.count('Redis is lost')]).toEqual([1, 1])
  })

  it('and Redis is emptied, schedules, overrides and pauses are back within 25 s, and that is announced', async (test) => {
    const { expect } = test
    const redis = await ownRedis(test)
    const { manager, applicationName, events, countEvents, logger } = faultManager(test, { connection: redis.url })
    const release = Promise.withResolvers<void>()
    const long = countingWorker('long', every(HOUR_MS), () => release.promise)
    const tidy = countingWorker('tidy', every(2_000))
    const paused = countingWorker('paused', every(1_000))
    for (const { worker } of [long, tidy, paused]) await manager.add(worker)
    await manager.start()
    await manager.pause('paused', { note: 'until Monday', by: 'ann' })
    const pausedAt = Date.now()
    await manager.reschedule('tidy', every(1_500), { by: 'bob' })
    await manager.trigger('long')
    await expect.poll(() => long.runs.length, PATIENCE).toBe(1)
    // Control calls are in the memory of the instance after its next look, of which an add makes one.
    await manager.add(countingWorker('late', every(HOUR_MS)).worker)
    const [emptiedAt, stoodStillBefore] = [Date.now(), stoodStillMs()]
    await redis.cli('flushall')

    await withClient(redis.url, async (client) => {
      const schedules = () => client.zcard(`{${applicationName}}:ticks:repeat`)
      await expect.poll(schedules, PATIENCE).toBe(4)
    })
    const backAfterMs = Date.now() - emptiedAt
    const [announcedAt] = events.flatMap(({ name, at }) => (name === 'schedules-repaired' ? [at] : []))
    const withinMs = RESTORED_WITHIN_MS + stoodStillMs() - stoodStillBefore
    expect(backAfterMs).toBeLessThan(withinMs)
    expect(Number(announcedAt) - emptiedAt).toBeLessThan(withinMs)
    release.resolve()
    const before = tidy.runs.length
    await expect.poll(() => tidy.runs.length, PATIENCE).toBeGreaterThan(before + 2)
    expect(await manager.get('paused')).toMatchObject({ paused: { note: 'until Monday', by: 'ann' } })
    expect(await manager.get('tidy')).toMatchObject({ schedule: { override: { schedule: every(1_500), by: 'bob' } } })
    expect(paused.runs.filter(({ slot }) => slot > pausedAt)).toEqual([])
    expect([countEvents('schedules-repaired'), logger.count('Redis was emptied')]).toEqual([1, 1])
    expect((await manager.list()).map(({ name }) => name)).toEqual(['long', 'tidy', 'paused', 'late'])
    // The run that was active is nobody's now; it is in the way of nothing.
    await expect.poll(async () => (await outcomeOf(manager.trigger('long'))).code, PATIENCE).toBe('resolved')
    expect(isSilent(logger), JSON.stringify(logger.lines)).toBe(true)
    const stopped = await outcomeOf(manager.stop({ timeoutMs: 60_000 }))
    expect(stopped.runningMs).toBeLessThan(50_000)
  })

  it('and Redis is emptied, and another instance is there first, overrides and pauses are back all the same', async (test) => {
    const { expect } = test
    const redis = await ownRedis(test)
    const proxy = await ownProxy(test, redis)
    const before = faultManager(test, { connection: proxy.url })
    const { applicationName } = before
    const newcomer = faultManager(test, { connection: redis.url, applicationName })
    for (const { manager } of [before, newcomer]) {
      for (const name of ['plain', 'tidy', 'paused']) await manager.add(countingWorker(name, every(HOUR_MS)).worker)
    }
    await before.manager.start()
    await before.manager.pause('paused', { note: 'until Monday', by: 'ann' })
    await before.manager.reschedule('tidy', every(2 * HOUR_MS), { by: 'bob' })
    // As above.
    await before.manager.add(countingWorker('late', every(HOUR_MS)).worker)
    proxy.refuse()
    proxy.cut()
    await redis.cli('flushall')
    await newcomer.manager.start()
    await newcomer.manager.pause('plain', { by: 'cat' })
    await proxy.accept()

    await expect.poll(() => before.countEvents('schedules-repaired'), PATIENCE).toBe(1)
    for (const { manager } of [before, newcomer]) {
      expect(await manager.get('paused')).toMatchObject({ paused: { note: 'until Monday', by: 'ann' } })
      expect(await manager.get('tidy')).toMatchObject({ schedule: { override: { by: 'bob' } } })
      expect(await manager.get('plain')).toMatchObject({ paused: { by: 'cat' } })
      expect((await manager.list()).map(({ name }) => name)).toEqual(['plain', 'tidy', 'paused', 'late'])
    }
    expect([before.countEvents('schedules-repaired'), newcomer.countEvents('schedules-repaired')]).toEqual([1, 0])
  })

  it('and Redis is emptied while something is written, overrides and pauses are back all the same', async (test) => {
    const { expect } = test
    const redis = await ownRedis(test)
    const { client, hold } = holdingClient(test, redis.url)
    const { manager, countEvents } = faultManager(test, { connection: client })
    for (const name of ['tidy', 'paused']) await manager.add(countingWorker(name, every(HOUR_MS)).worker)
    await manager.start()
    await manager.pause('paused', { by: 'ann' })
    await manager.reschedule('tidy', every(2 * HOUR_MS), { by: 'bob' })
    // As above.
    await manager.add(countingWorker('late', every(HOUR_MS)).worker)
    const held = hold((words) => words.includes('later') && words.includes('repeat'))
    const added = manager.add(countingWorker('later', every(HOUR_MS)).worker)
    const goOn = await held
    await redis.cli('flushall')
    goOn()
    await added

    await expect.poll(() => countEvents('schedules-repaired'), PATIENCE).toBe(1)
    expect(await manager.get('paused')).toMatchObject({ paused: { by: 'ann' } })
    expect(await manager.get('tidy')).toMatchObject({ schedule: { override: { by: 'bob' } } })
    expect((await manager.list()).map(({ name }) => name)).toEqual(['tidy', 'paused', 'late', 'later'])
  })

  it('and Redis is emptied, an older version that is back first leaves what the newer one declares', async (test) => {
    const { expect } = test
    const redis = await ownRedis(test)
    const proxy = await ownProxy(test, redis)
    const older = faultManager(test, { connection: redis.url, release: 1 })
    const { applicationName } = older
    const newer = faultManager(test, { connection: proxy.url, release: 2, applicationName })
    await older.manager.add(countingWorker('tidy', every(HOUR_MS)).worker)
    await newer.manager.add(countingWorker('tidy', every(2 * HOUR_MS)).worker)
    await older.manager.start()
    await newer.manager.start()
    await newer.manager.reschedule('tidy', every(3 * HOUR_MS), { by: 'bob' })
    await older.manager.add(countingWorker('late', every(HOUR_MS)).worker)
    proxy.refuse()
    proxy.cut()
    await redis.cli('flushall')

    await expect.poll(() => older.countEvents('schedules-repaired'), PATIENCE).toBe(1)
    const schedule = { declared: { periodMs: 2 * HOUR_MS }, override: { by: 'bob' } }
    expect(await older.manager.get('tidy')).toMatchObject({ schedule })
    await proxy.accept()
    await expect.poll(() => newer.countEvents('store-restored'), PATIENCE).toBe(1)
    await newer.manager.add(countingWorker('later', every(HOUR_MS)).worker)
    expect(await older.manager.get('tidy')).toMatchObject({ schedule })
  })

  for (const [how, begin, end] of [
    ['Redis becomes read-only', 'replicaof 127.0.0.1 1', 'replicaof no one'],
    ['its user may not write any more', 'acl setuser shop -@write', 'acl setuser shop +@write'],
  ] as const) {
    it(`and ${how}, nothing floods, and all goes on when that is over`, async (test) => {
      const { expect } = test
      const redis = await ownRedis(test)
      await redis.cli('acl', 'setuser', 'shop', 'on', '>secret', '~*', '&*', '+@all')
      const connection = redis.url.replace('redis://', 'redis://shop:secret@')
      const { manager, countEvents, logger } = faultManager(test, { connection, commandTimeoutMs: 3_000 })
      const tidy = countingWorker('tidy', every(1_000))
      await manager.add(tidy.worker)
      await manager.start()
      await expect.poll(() => tidy.runs.length, PATIENCE).toBeGreaterThan(0)

      await redis.cli(...wordsOf(begin))
      await expect.poll(() => countEvents('store-lost'), PATIENCE).toBe(1)
      await passed(Date.now() + 3_000)
      expect(await outcomeOf(manager.pause('tidy'))).toMatchObject({ code: 'store-unavailable' })
      expect(await lastingReasons(manager)).toEqual(['store-lost'])
      await redis.cli(...wordsOf(end))

      await expect.poll(() => countEvents('store-restored'), PATIENCE).toBe(1)
      const before = tidy.runs.length
      await expect.poll(() => tidy.runs.length, PATIENCE).toBeGreaterThan(before + 1)
      expect(new Set(tidy.runs.map(({ slot }) => slot)).size).toBe(tidy.runs.length)
      expect(await manager.get('tidy')).not.toMatchObject({ state: 'paused' })
      await expect.poll(() => manager.health(), PATIENCE).toMatchObject({ status: 'ok' })
      expect(isSilent(logger), JSON.stringify(logger.lines)).toBe(true)
    })
  }

  it('and Redis is full, runs end, nothing is lost, and schedules go on when there is room', async (test) => {
    const { expect } = test
    const redis = await ownRedis(test)
    const { manager, applicationName, countEvents, logger } = faultManager(test, { connection: redis.url })
    const release = Promise.withResolvers<void>()
    const long = countingWorker('long', every(HOUR_MS), () => release.promise)
    const tidy = countingWorker('tidy', every(1_000))
    for (const { worker } of [long, tidy]) await manager.add(worker)
    await manager.start()
    const runId = await manager.trigger('long')
    await expect.poll(() => long.runs.length, PATIENCE).toBe(1)
    await expect.poll(() => tidy.runs.length, PATIENCE).toBeGreaterThan(0)

    await redis.cli('config', 'set', 'maxmemory', '1mb')
    await expect.poll(() => countEvents('store-lost'), PATIENCE).toBe(1)
    expect(await outcomeOf(manager.pause('tidy'))).toMatchObject({
      code: 'store-unavailable',
      message: expect.stringContaining('OOM'),
    })
    expect(await manager.list()).toHaveLength(2)
    expect(await manager.health()).toMatchObject({ status: 'unhealthy' })
    release.resolve()
    await passed(Date.now() + 3_000)
    const before = tidy.runs.length
    await redis.cli('config', 'set', 'maxmemory', '0')

    await expect.poll(() => countEvents('store-restored'), PATIENCE).toBe(1)
    await expect.poll(() => tidy.runs.length, PATIENCE).toBeGreaterThan(before + 2)
    expect(new Set(tidy.runs.map(({ slot }) => slot)).size).toBe(tidy.runs.length)
    await expect
      .poll(async () => (await manager.runs('long'))[0], PATIENCE)
      .toMatchObject({ runId, outcome: 'succeeded' })
    await expect.poll(async () => (await outcomeOf(manager.trigger('long'))).code, PATIENCE).toBe('resolved')
    await expect.poll(() => manager.health(), PATIENCE).toMatchObject({ status: 'ok' })
    expect(isSilent(logger), JSON.stringify(logger.lines)).toBe(true)
    await withClient(redis.url, async (client) => {
      const [active, decided] = await Promise.all([
        client.llen(`{${applicationName}}:runs.default:active`),
        client.hget(`{${applicationName}}:workers`, 'decided:tidy'),
      ])
      expect(active).toBeLessThan(3)
      // Every slot that counts as decided has a run, or is counted by the next one.
      const slots = new Map(tidy.runs.map(({ slot, missedSlots }) => [slot, missedSlots]))
      const first = Math.min(...slots.keys())
      const last = Math.min(Number(decided), Math.max(...slots.keys()))
      const accounted = [...slots].filter(([slot]) => slot <= last).reduce((sum, [, missed]) => sum + missed + 1, 0)
      const recorded = (await manager.runs('tidy')).filter(
        ({ outcome }) => outcome === 'skipped' || outcome === 'missed',
      )
      const others = recorded.reduce((sum, { missedSlots = 0 }) => sum + missedSlots + 1, 0)
      expect(accounted + others).toBeGreaterThanOrEqual((last - first) / 1_000 + 1)
    })
  })

  it('and all connections are cut, again and again, slots run once and the log stays short', async (test) => {
    const { expect } = test
    const redis = await ownRedis(test)
    const { manager, logger } = faultManager(test, { connection: redis.url })
    const tidy = countingWorker('tidy', every(1_000))
    await manager.add(tidy.worker)
    await manager.start()
    for (let cuts = 0; cuts < 5; cuts++) {
      const before = tidy.runs.length
      await expect.poll(() => tidy.runs.length, PATIENCE).toBeGreaterThan(before)
      await redis.cli('client', 'kill', 'type', 'normal')
      await passed(Date.now() + 300)
    }
    const before = tidy.runs.length
    await expect.poll(() => tidy.runs.length, PATIENCE).toBeGreaterThan(before + 1)
    expect(new Set(tidy.runs.map(({ slot }) => slot)).size).toBe(tidy.runs.length)
    expect(logger.count('Redis is lost')).toBeLessThanOrEqual(5)
    expect(isSilent(logger), JSON.stringify(logger.lines)).toBe(true)
    await expect.poll(() => manager.health(), PATIENCE).toMatchObject({ status: 'ok' })
  })

  it('and the connection freezes half-open, that is noticed within 30 s, and all goes on over a new one', async (test) => {
    const { expect } = test
    const redis = await ownRedis(test)
    const proxy = await ownProxy(test, redis)
    const { manager, events, countEvents, logger } = faultManager(test, {
      connection: proxy.url,
      commandTimeoutMs: 500,
    })
    const tidy = countingWorker('tidy', every(1_000))
    await manager.add(tidy.worker)
    await manager.start()
    await expect.poll(() => tidy.runs.length, PATIENCE).toBeGreaterThan(0)

    const [frozenAt, stoodStillBefore] = [Date.now(), stoodStillMs()]
    proxy.freeze()
    expect(await outcomeOf(manager.pause('tidy'))).toMatchObject({
      code: 'store-unavailable',
      message: expect.stringContaining('outcome is unknown'),
    })
    await expect.poll(() => countEvents('store-lost'), PATIENCE).toBe(1)
    const [noticedAt] = events.flatMap(({ name, at }) => (name === 'store-lost' ? [at] : []))
    expect(Number(noticedAt) - frozenAt).toBeLessThan(NOTICED_WITHIN_MS + stoodStillMs() - stoodStillBefore)
    expect(await outcomeOf(manager.pause('tidy'))).toMatchObject({
      code: 'store-unavailable',
      message: expect.stringContaining('nothing was sent'),
    })
    proxy.thaw()

    await expect.poll(() => countEvents('store-restored'), PATIENCE).toBe(1)
    await expect.poll(async () => (await outcomeOf(manager.resume('tidy'))).code, PATIENCE).toBe('resolved')
    const before = tidy.runs.length
    await expect.poll(() => tidy.runs.length, PATIENCE).toBeGreaterThan(before + 1)
    expect(new Set(tidy.runs.map(({ slot }) => slot)).size).toBe(tidy.runs.length)
    expect(isSilent(logger), JSON.stringify(logger.lines)).toBe(true)
  })

  it('and Redis pauses its clients, it waits and goes on', async (test) => {
    const { expect } = test
    const redis = await ownRedis(test)
    const { manager, logger } = faultManager(test, { connection: redis.url, commandTimeoutMs: 500 })
    const tidy = countingWorker('tidy', every(1_000))
    await manager.add(tidy.worker)
    await manager.start()
    await expect.poll(() => tidy.runs.length, PATIENCE).toBeGreaterThan(0)
    await redis.cli('client', 'pause', '6000')
    expect(await outcomeOf(manager.list())).toMatchObject({ code: 'store-unavailable' })
    await passed(Date.now() + 6_000)
    await expect.poll(async () => (await outcomeOf(manager.list())).code, PATIENCE).toBe('resolved')
    const before = tidy.runs.length
    await expect.poll(() => tidy.runs.length, PATIENCE).toBeGreaterThan(before + 1)
    expect(new Set(tidy.runs.map(({ slot }) => slot)).size).toBe(tidy.runs.length)
    expect(isSilent(logger), JSON.stringify(logger.lines)).toBe(true)
  })
})

function wordsOf(line: string): [string, ...string[]] {
  return line.split(' ') as [string, ...string[]]
}
