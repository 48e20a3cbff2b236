import { Redis, ReplyError } from 'ioredis'
import { describe, it } from 'vitest'
import { Keys } from '../src/keys.ts'
import { RunQueues } from '../src/run-queues.ts'
import { firstStartOf } from '../src/store.ts'
import { claimedRun } from './fixtures/claimed-run.ts'
import { DAY_MS, TestCluster, lastRareSlot, rarely } from './fixtures/cluster.ts'
import {
  PATIENCE,
  countingWorker,
  faultManager,
  outcomeOf,
  ownApplication,
  ownRedis,
} from './fixtures/fault-manager.ts'
import { losingRedis } from './fixtures/losing-redis.ts'
import { Probe } from './fixtures/probe.ts'
import { stallRun } from './fixtures/stall-run.ts'
import { passed } from './fixtures/until.ts'

/** How a run may start whose worker has not succeeded yet. */
const NEVER_SUCCEEDED = { lastSucceededAtMs: undefined }

describe.concurrent('a run', () => {
  for (const [when, stopTimeoutMs, isBusy] of [
    ['while a stop waits for other runs', 60_000, true],
    ['when a stop has given up on it', 100, false],
  ] as const) {
    it(`that is decided ${when} goes back, and the next start decides it`, async (test) => {
      const { expect } = test
      const { redis, target, hold } = await losingRedis(test)
      const { manager, applicationName } = faultManager(test, { connection: redis })
      const gate = Promise.withResolvers<void>()
      test.onTestFinished(() => gate.resolve())
      const tidy = countingWorker('tidy', rarely())
      const long = countingWorker('long', rarely(), () => gate.promise)
      for (const { worker } of [tidy, long]) await manager.add(worker)
      await manager.start()
      // The script is known to Redis from then on.
      const first = await manager.trigger('tidy')
      await expect.poll(async () => (await manager.runs('tidy'))[0], PATIENCE).toMatchObject({ outcome: 'succeeded' })
      if (isBusy) await manager.trigger('long')
      await expect.poll(() => long.runs.length, PATIENCE).toBe(isBusy ? 1 : 0)
      const held = hold((command) => command.includes(':records:tidy:runs') && !command.includes('"outcome"'))
      const second = await manager.trigger('tidy')
      const release = await held
      const stopping = manager.stop({ timeoutMs: stopTimeoutMs })
      // By then it does not wait for decisions any more; the one with nothing else to wait for has begun to close.
      await passed(Date.now() + (isBusy ? 1_500 : 800))
      release()
      const waiting = () => target.cli('lrange', `{${applicationName}}:runs.default:wait`, '0', '-1')
      await expect.poll(waiting, PATIENCE).toBe(second)
      gate.resolve()
      expect(await stopping).toMatchObject({ finished: isBusy ? 1 : 0, abandoned: [] })
      expect(tidy.runs.map(({ runId }) => runId)).toEqual([first])

      const next = faultManager(test, { connection: target.url, applicationName })
      await next.manager.add(countingWorker('tidy', rarely()).worker)
      await next.manager.start()
      const records = async () => (await next.manager.runs('tidy')).map(({ runId, outcome }) => [runId, outcome])
      await expect.poll(records, PATIENCE).toEqual([
        [second, 'succeeded'],
        [first, 'succeeded'],
      ])
    })
  }

  for (const startedBefore of [undefined, lastRareSlot() - 1]) {
    it(`that is taken back leaves nothing behind (after ${startedBefore ? 'another slot' : 'none'})`, async ({
      expect,
    }) => {
      await using cluster = await TestCluster.open()
      await cluster.start([new Probe().worker('digest', rarely())])
      const store = cluster.store()
      const slot = lastRareSlot()
      const marks = startedBefore ? { 'started:digest': startedBefore, 'start:digest': 'release 1' } : undefined
      if (marks) await cluster.redis.hset(cluster.key('workers'), marks)
      // As its tick does.
      await store.raiseDecided('digest', slot)
      const before = await store.read('digest')
      const { record, claim } = claimedRun(slot, {
        startedBefore,
        start: { mark: 'release 2', markBefore: before.startMark },
      })
      expect(await store.decideRun(record, claim)).toEqual(NEVER_SUCCEEDED)
      expect((await store.read('digest')).startedUpTo).toBe(slot)
      expect(await store.undecideRun(record, { ...claim, token: 'default/another/1' })).toBe(false)
      expect((await store.read('digest')).active?.record.runId).toBe(record.runId)
      expect(await store.undecideRun(record, claim)).toBe(true)
      expect(await store.read('digest')).toStrictEqual(before)
      expect(await store.records('digest', undefined)).toEqual([])
      expect(await store.decideRun(record, { ...claim, token: 'default/one/2' })).toEqual(NEVER_SUCCEEDED)
    })
  }

  it('that can not be taken back as it was stays with its instance', async ({ expect }) => {
    await using cluster = await TestCluster.open()
    const store = cluster.store()
    const slot = lastRareSlot()
    const one = claimedRun(slot, { keepRuns: 1 })
    expect(await store.decideRun(one.record, one.claim)).toEqual(NEVER_SUCCEEDED)
    const lost = { ...one.record, startedAt: new Date(slot), outcome: 'lost' } as const
    await store.finishRun(lost, one.claim.token, 1, true, firstStartOf(lost.runId))
    // Its record takes the place of the first start's, without which it would not be recovered again.
    const again = claimedRun(slot, { token: 'default/one/2', keepRuns: 1, startedBefore: slot, isRecovery: true })
    const record = { ...again.record, startedAt: new Date(slot + 1) }
    expect(await store.decideRun(record, again.claim)).toEqual(NEVER_SUCCEEDED)
    expect(await store.undecideRun(record, again.claim)).toBe(false)
    expect((await store.read('digest')).active?.token).toBe('default/one/2')

    const later = claimedRun(slot + 1, { token: 'default/one/3' })
    expect(await store.decideRun(later.record, later.claim)).toEqual(NEVER_SUCCEEDED)
    await cluster.redis.hset(cluster.key('workers'), 'started:digest', slot + 2)
    expect(await store.undecideRun(later.record, later.claim)).toBe(false)
    const { active, startedUpTo } = await store.read('digest')
    expect([active?.token, startedUpTo]).toEqual(['default/one/3', slot + 2])
  })

  it('that is to be recovered goes back when a stop comes while it is decided, and the next start recovers it', async (test) => {
    const { expect } = test
    const { redis, target, hold } = await losingRedis(test)
    const policy = { onCrash: 'recover' } as const
    const { manager, applicationName } = faultManager(test, { connection: redis })
    const tidy = countingWorker('tidy', rarely(), () => {}, policy)
    await manager.add(tidy.worker)
    // Its process has died, which was found out.
    const keys = new Keys(applicationName)
    const client = new Redis(target.url)
    test.onTestFinished(() => client.disconnect())
    const runQueues = new RunQueues({ client, keys, onError: () => {} })
    const slot = lastRareSlot()
    const runId = `tidy.${slot}`
    await runQueues.add('default', { runId, worker: 'tidy', kind: 'scheduled', slot, missedSlots: 0, delayMs: 0 })
    await client.hincrby(`{${applicationName}}:runs.default:${runId}`, 'stc', 1)
    await client.hset(keys.workers, { 'decided:tidy': slot, 'started:tidy': slot })
    const first = { ...claimedRun(slot).record, runId, worker: 'tidy', outcome: 'lost' }
    await client.hset(keys.records('tidy'), firstStartOf(runId), JSON.stringify(first))

    const held = hold((command) => command.includes(':records:tidy:runs') && !command.includes('"outcome"'))
    await manager.start()
    const release = await held
    const stopping = manager.stop({ timeoutMs: 60_000 })
    release()
    expect(await stopping).toMatchObject({ abandoned: [] })
    expect(tidy.runs).toEqual([])

    const next = faultManager(test, { connection: target.url, applicationName })
    const again = countingWorker('tidy', rarely(), () => {}, policy)
    await next.manager.add(again.worker)
    await next.manager.start()
    await expect.poll(() => again.runs, PATIENCE).toMatchObject([{ runId }])
    const records = async () => (await next.manager.runs('tidy')).map(({ outcome }) => outcome)
    await expect.poll(records, PATIENCE).toHaveLength(2)
    await expect.poll(records, PATIENCE).toEqual(expect.arrayContaining(['lost', 'succeeded']))
  })

  for (const [kind, call, outcomes] of [
    ['scheduled', 'pause', ['skipped']],
    ['manual', 'remove', []],
  ] as const) {
    it(`(${kind}) that is planned while another instance carries out a ${call} does not start`, async (test) => {
      const { expect } = test
      const { redis, target, hold } = await losingRedis(test)
      const { manager, applicationName } = faultManager(test, { connection: redis })
      const tidy = countingWorker('tidy', rarely(), () => {}, { catchUpWindowMs: 30 * DAY_MS })
      await manager.add(tidy.worker)
      await manager.start()
      const other = faultManager(test, { connection: target.url, applicationName, isEnabled: false })
      await other.manager.start()
      const client = new Redis(target.url)
      test.onTestFinished(() => client.disconnect())
      const keys = new Keys(applicationName)
      const slot = lastRareSlot()
      await client.hset(keys.workers, 'decided:tidy', slot - 1)
      const held = hold((command) => /hmget/i.test(command) && command.includes('raised:tidy'))
      const runQueues = new RunQueues({ client, keys, onError: () => {} })
      // As after its jitter: it is not planned by what its tick has seen.
      const runId = kind === 'manual' ? 'tidy.m-1' : `tidy.${slot}`
      await runQueues.add('default', { runId, worker: 'tidy', kind, slot, missedSlots: 0, delayMs: 0 })
      const release = await held
      await other.manager[call]('tidy')
      release()
      const jobs = () => target.cli('exists', `{${applicationName}}:runs.default:${runId}`)
      await expect.poll(jobs, PATIENCE).toBe('0')
      expect(tidy.runs).toEqual([])
      expect((await other.manager.runs('tidy').catch(() => [])).map(({ outcome }) => outcome)).toEqual(outcomes)
    })
  }

  it('that is fetched while a stop waits for other runs goes back at once, and is not said to lack its worker', async (test) => {
    const { expect } = test
    const redis = await ownRedis(test)
    const { manager, applicationName, logger, events } = faultManager(test, { connection: redis.url })
    const gate = Promise.withResolvers<void>()
    test.onTestFinished(() => gate.resolve())
    const long = countingWorker('long', rarely(), () => gate.promise)
    // Not a mock: vitest forgets the calls of all mocks when the next test begins, beside this one.
    let stops = 0
    const stop = async () => void stops++
    const tidy = Object.assign(countingWorker('tidy', rarely()).worker, { stop })
    for (const worker of [long.worker, tidy]) await manager.add(worker)
    await manager.start()
    const operator = faultManager(test, { connection: redis.url, applicationName, isEnabled: false })
    await operator.manager.start()
    await manager.trigger('long')
    await expect.poll(() => long.runs.length, PATIENCE).toBe(1)
    // Its ticks and, anew, its runs.
    const fetches = async () => (await redis.cli('client', 'list')).match(/ flags=b .* cmd=bzpopmin /g)?.length
    await expect.poll(fetches, PATIENCE).toBe(2)
    const stopping = manager.stop({ timeoutMs: 60_000 })
    await expect.poll(() => stops, PATIENCE).toBe(1)
    // The fetch that it had begun, which ends 5 s after it, takes what comes first, and hands it back.
    const runId = await operator.manager.trigger('tidy')
    const starts = () => redis.cli('hget', `{${applicationName}}:runs.default:${runId}`, 'ats')
    await expect.poll(starts, PATIENCE).toBe('1')
    const waiting = () => redis.cli('lrange', `{${applicationName}}:runs.default:wait`, '0', '-1')
    await expect.poll(waiting, PATIENCE).toBe(runId)
    gate.resolve()
    expect(await stopping).toMatchObject({ finished: 1, abandoned: [] })
    expect(logger.count('came here')).toBe(0)
    expect(events.filter(({ name }) => name === 'health-reason-added')).toEqual([])
  })

  it('that could not be decided while the manager stops stays with its instance, and does not fail', async (test) => {
    const { expect } = test
    const { options, key } = await ownApplication(test)
    const client = new Redis(options.connection, { maxRetriesPerRequest: null })
    test.onTestFinished(() => client.disconnect())
    const { manager } = faultManager(test, { ...options, connection: client })
    await manager.add(countingWorker('tidy', rarely()).worker)
    await manager.start()
    const evalsha = client.evalsha.bind(client)
    const refusal = Promise.withResolvers<never>()
    const deciding = Promise.withResolvers<void>()
    client.evalsha = ((...args: string[]) => {
      if (!args.includes(key('records:tidy:runs'))) return evalsha(...(args as [string, string]))
      deciding.resolve()
      return refusal.promise
    }) as never
    const runId = await manager.trigger('tidy')
    await deciding.promise
    const stopping = manager.stop()
    refusal.reject(new ReplyError('OOM command not allowed when used memory > maxmemory'))
    expect(await stopping).toMatchObject({ abandoned: [] })
    expect(await client.lrange(key('runs.default:active'), 0, -1)).toEqual([runId])
    expect(await client.zcard(key('runs.default:failed'))).toBe(0)
  })

  it('that was decided, and whose client has not waited for the answer, is found and recorded as lost', async (test) => {
    const { expect } = test
    const redis = await ownRedis(test)
    const client = new Redis(redis.url, { maxRetriesPerRequest: null })
    test.onTestFinished(() => client.disconnect())
    const { manager, applicationName, logger } = faultManager(test, { connection: client })
    const tidy = countingWorker('tidy', rarely())
    await manager.add(tidy.worker)
    await manager.start()
    const send = client.sendCommand.bind(client)
    client.sendCommand = (command, ...rest) => {
      const answer = send(command, ...rest) as Promise<unknown>
      const isDecision = command.args.includes(`{${applicationName}}:records:tidy:runs`)
      if (!isDecision) return answer
      return answer.then(() => {
        client.sendCommand = send
        throw new Error('Command timed out')
      })
    }
    const runId = await manager.trigger('tidy')
    await expect.poll(() => logger.count('nobody knows whether a run was decided'), PATIENCE).toBe(1)
    await stallRun(redis, applicationName, runId)
    await expect.poll(() => manager.runs('tidy'), PATIENCE).toMatchObject([{ runId, outcome: 'lost', reason: 'crash' }])
    await expect.poll(() => outcomeOf(manager.trigger('tidy')), PATIENCE).toMatchObject({ code: 'resolved' })
    await expect.poll(() => tidy.runs.length, PATIENCE).toBe(1)
    expect(tidy.runs[0]?.runId).not.toBe(runId)
  })

  it('that has started does not wait for its jitter any more, however late its tick says so', async ({ expect }) => {
    await using cluster = await TestCluster.open()
    const store = cluster.store()
    const slot = Date.now()
    const { record, claim } = claimedRun(slot)
    expect(await store.decideRun(record, claim)).toEqual(NEVER_SUCCEEDED)
    await store.raiseDecided('digest', slot, record)
    const { waiting, decidedUpTo } = await store.read('digest')
    expect([waiting, decidedUpTo]).toEqual([undefined, slot])
  })

  it('whose lease was lost and that comes back here is aborted, and keeps the guard while its doWork is active', async (test) => {
    const { expect } = test
    const redis = await ownRedis(test)
    const { manager, applicationName } = faultManager(test, { connection: redis.url })
    const release = Promise.withResolvers<void>()
    test.onTestFinished(() => release.resolve())
    const reasons: unknown[] = []
    let active = 0
    let most = 0
    const long = countingWorker(
      'long',
      rarely(),
      async ({ signal }) => {
        signal.addEventListener('abort', () => reasons.push((signal.reason as { code: string }).code))
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
    await stallRun(redis, applicationName, runId)
    await expect.poll(() => reasons, PATIENCE).toEqual(['lease-lost'])
    await passed(Date.now() + 3_000)
    expect(await outcomeOf(manager.trigger('long'))).toMatchObject({ code: 'worker-busy' })
    release.resolve()
    await expect.poll(() => outcomeOf(manager.trigger('long')), PATIENCE).toMatchObject({ code: 'resolved' })
    await expect.poll(async () => (await manager.get('long'))?.state, PATIENCE).toBe('idle')
    expect(most).toBe(1)
    expect((await manager.runs('long')).filter((run) => run.runId === runId)).toMatchObject([
      { outcome: 'aborted', reason: 'lease-lost' },
    ])
    const stopped = performance.now()
    await manager.stop({ timeoutMs: 60_000 })
    expect(performance.now() - stopped).toBeLessThan(50_000)
  })

  it('whose lease was lost is not started again here before its outcome is written', async (test) => {
    const { expect } = test
    const redis = await ownRedis(test)
    const client = new Redis(redis.url, { maxRetriesPerRequest: null })
    test.onTestFinished(() => client.disconnect())
    const { manager, applicationName } = faultManager(test, { connection: client })
    const gate = Promise.withResolvers<void>()
    test.onTestFinished(() => gate.resolve())
    const evalsha = client.evalsha.bind(client)
    let isHeld = false
    client.evalsha = (async (...args: string[]) => {
      if (!isHeld && args.some((arg) => String(arg).includes('"outcome":"succeeded"'))) {
        isHeld = true
        await gate.promise
      }
      return evalsha(...(args as [string, string]))
    }) as never
    const tidy = countingWorker('tidy', rarely(), () => {}, { onCrash: 'recover' })
    await manager.add(tidy.worker)
    await manager.start()
    const runId = await manager.trigger('tidy')
    await expect.poll(() => isHeld, PATIENCE).toBe(true)
    await stallRun(redis, applicationName, runId)
    const isPutOff = async () => (await client.zcard(`{${applicationName}}:runs.default:delayed`)) > 0
    await expect.poll(async () => tidy.runs.length > 1 || (await isPutOff()), PATIENCE).toBe(true)
    expect(tidy.runs).toHaveLength(1)
    gate.resolve()
    await expect.poll(() => outcomeOf(manager.trigger('tidy')), PATIENCE).toMatchObject({ code: 'resolved' })
    const records = async () => (await manager.runs('tidy')).map((run) => [run.runId === runId, run.outcome])
    await expect.poll(records, PATIENCE).toEqual([
      [false, 'succeeded'],
      [true, 'succeeded'],
    ])
  })

  it('whose end Redis refuses once is idle all the same, before its worker runs again', async (test) => {
    const { expect } = test
    const { options } = await ownApplication(test)
    const client = new Redis(options.connection, { maxRetriesPerRequest: null })
    test.onTestFinished(() => client.disconnect())
    const { manager, logger } = faultManager(test, { ...options, connection: client })
    const gate = Promise.withResolvers<void>()
    test.onTestFinished(() => gate.resolve())
    const tidy = countingWorker('tidy', rarely(), () => gate.promise)
    await manager.add(tidy.worker)
    await manager.start()
    const runId = await manager.trigger('tidy')
    await expect.poll(() => tidy.runs.length, PATIENCE).toBe(1)
    expect(await manager.cancel(runId)).toBe(true)
    await expect.poll(async () => (await manager.runs('tidy'))[0], PATIENCE).toMatchObject({ outcome: 'aborted' })

    const evalsha = client.evalsha.bind(client)
    let refused = 0
    // The script that settles a run takes the one key of all workers, the worker and the token of the run.
    client.evalsha = ((...args: string[]) => {
      const isSettling = args.length === 5 && args[3] === 'tidy' && args[4]?.startsWith('default/')
      if (!isSettling || refused > 0) return evalsha(...(args as [string, string]))
      refused++
      return Promise.reject(new ReplyError("OOM command not allowed when used memory > 'maxmemory'."))
    }) as never
    gate.resolve()
    await expect.poll(async () => (await manager.get('tidy'))?.state, PATIENCE).toBe('idle')
    expect([refused, logger.count('the end of a run could not be written')]).toEqual([1, 1])
  })
})
