import { cron, every } from '@background-workers/abstractions'
import type { Redis } from 'ioredis'
import { withClient } from 'test-redis'
import { describe, it } from 'vitest'
import { DAY_MS } from './fixtures/cluster.ts'
import {
  PATIENCE,
  type Test,
  countingWorker,
  faultManager,
  outcomeOf,
  ownApplication,
} from './fixtures/fault-manager.ts'
import { passed } from './fixtures/until.ts'

const HUGE = 'x'.repeat(1_000_000)
const HOSTILE = [
  '__proto__',
  'constructor',
  '{"__proto__":{"polluted":true}}',
  '{',
  'null',
  '[]',
  'NaN',
  '-1e300',
  '1e300',
  '',
  '{"schedule":{"kind":"every","periodMs":0},"policy":{},"release":1,"declaredAt":1,"since":1,"order":1,"instanceId":"x"}',
  '{"schedule":{"kind":"cron","expression":"* * * * * * *","timeZone":"Mars"},"policy":{"__proto__":1}}',
  '{"runId":{},"worker":[],"scheduledFor":"never"}',
  'token\nrunning\n{"runId":"x","worker":"x","scheduledFor":"x"}',
  HUGE,
]
const FIELDS = ['definition', 'override', 'pause', 'removed', 'orphaned', 'decided', 'active', 'waiting', 'stuck']
const MORE_FIELDS = ['last', 'success', 'failure', 'failures', 'recent', 'start', 'started']
const NAMES = ['__proto__', 'constructor', 'toString', 'a b', '../../etc', '', 'x'.repeat(500), 'stranger']

describe.concurrent('what Redis holds is not trusted', () => {
  it('fields of strangers and fields that can not be read are reported and harm nobody', async (test) => {
    const { expect } = test
    const { key, options } = await ownApplication(test)
    const { manager, logger } = faultManager(test, options)
    const good = countingWorker('good', every(1_000))
    const victim = countingWorker('victim', every(1_000))
    for (const { worker } of [good, victim]) await manager.add(worker)

    await withClient(options.connection, async (client) => {
      await writeStrangers(client, key)
      await manager.start()
      await expect.poll(() => good.runs.length, PATIENCE).toBeGreaterThan(0)
      // In a running application too, and in fields of one of its own workers.
      await writeStrangers(client, key)
      for (const value of HOSTILE) {
        for (const field of [...FIELDS, ...MORE_FIELDS]) {
          // With a definition gone the worker is declared anew; that is another test's.
          if (field === 'definition' || field === 'removed' || field === 'orphaned') continue
          await client.hset(key('workers'), `${field}:victim`, value)
        }
        const [before, seen] = [good.runs.length, victim.runs.length]
        expect((await manager.list()).map(({ name }) => name)).toEqual(expect.arrayContaining(['good', 'victim']))
        expect((await manager.health()).reasons.filter(({ worker }) => worker === 'good')).toEqual([])
        await manager.runs('victim')
        await manager.get('victim')
        await expect.poll(() => good.runs.length, PATIENCE).toBeGreaterThan(before)
        if (value === HUGE) await expect.poll(() => victim.runs.length, PATIENCE).toBeGreaterThan(seen)
      }
      expect((await manager.runs('good')).length).toBeGreaterThan(0)
    })
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
    expect(new Set(good.runs.map(({ slot }) => slot)).size).toBe(good.runs.length)
    expect(logger.count('can not be read')).toBeGreaterThan(0)
    // Each field once, and a hundred at most.
    expect(logger.lines.length).toBeLessThan(150)
    expect(Math.max(...logger.lines.map(({ data }) => JSON.stringify(data).length))).toBeLessThan(2_000)
  })

  it('job schedulers of others are left alone, broken ones stop nobody', async (test) => {
    const { expect } = test
    const { key, options } = await ownApplication(test)
    await withClient(options.connection, async (client) => {
      const now = Date.now()
      for (const id of [...NAMES, 'foreign']) {
        await client.zadd(key('ticks:repeat'), now + 500, id)
        await client.hset(key(`ticks:repeat:${id}`), { name: 'x', every: 'abc', data: HUGE, ic: '1', offset: 'NaN' })
      }
      await client.zadd(key('ticks:repeat'), '+inf', 'infinite', '-inf', 'past', now, 'wrong-type')
      await client.set(key('ticks:repeat:wrong-type'), 'no hash')
      await client.hset(key('ticks:repeat:foreign'), { every: 1_000, data: '{"theirs":1}' })
      const { manager } = faultManager(test, options)
      const good = countingWorker('good', every(1_000))
      const byCron = countingWorker('by-cron', cron('* * * * * *'))
      for (const { worker } of [good, byCron]) await manager.add(worker)
      await manager.start()
      // Jobs of theirs that come due.
      for (const [index, id] of ['foreign', 'wrong-type', '__proto__', 'nobody'].entries()) {
        const jobId = `repeat:${id}:${now + index}`
        const data = ['{', HUGE, '{"__proto__":1}', '1'][index] as string
        await client.hset(key(`ticks:${jobId}`), { name: 'x', data, opts: '{}', timestamp: now, rjk: id })
        await client.lpush(key('ticks:wait'), jobId)
      }
      await client.lpush(key('ticks:wait'), 'no-hash', 'repeat:good:NaN', 'repeat:good:99999999999999999')
      await client.zadd(key('ticks:marker'), 0, '0')
      await expect.poll(() => good.runs.length, PATIENCE).toBeGreaterThan(3)
      await expect.poll(() => byCron.runs.length, PATIENCE).toBeGreaterThan(3)
      expect(await client.hget(key('ticks:repeat:foreign'), 'data')).toBe('{"theirs":1}')
      expect(await client.zscore(key('ticks:repeat'), 'infinite')).not.toBeNull()
      expect((await manager.list()).map(({ name }) => name)).toEqual(['good', 'by-cron'])
      for (const { runs } of [good, byCron]) expect(new Set(runs.map(({ slot }) => slot)).size).toBe(runs.length)
    })
  })

  it('run jobs that are not ours are dropped, and the worker that they name goes on', async (test) => {
    const { expect } = test
    const { key, options, manager, logger, good } = await startWithGoodWorker(test)
    const slot = Date.now() + DAY_MS
    const jobs: [string, string][] = [
      ['a', '{'],
      ['b', HUGE],
      ['__proto__', '{}'],
      ['good.1', '{"worker":"good","kind":"scheduled","slot":"1","missedSlots":0}'],
      ['good.2', '{"worker":"good","kind":"evil","slot":1,"missedSlots":0}'],
      ['good.3', '{"worker":"__proto__","kind":"manual","slot":1,"missedSlots":0}'],
      ['good.4', '{"worker":"good","kind":"scheduled","slot":-9e15,"missedSlots":0}'],
      ['good.5', '{"worker":"good","kind":"scheduled","slot":9007199254740991,"missedSlots":0}'],
      [`good.${slot}`, JSON.stringify({ worker: 'good', kind: 'scheduled', slot, missedSlots: -5 })],
      ['nobody.1', '{"worker":"nobody","kind":"manual","slot":1,"missedSlots":0}'],
      ['good.start-1', JSON.stringify({ worker: 'good', kind: 'start', slot: 1, missedSlots: 0, startMark: HUGE })],
    ]
    await withClient(options.connection, async (client) => {
      for (const [id, data] of jobs) {
        await client.hset(key(`runs.default:${id}`), { name: 'run', data, opts: '{}', timestamp: Date.now() })
        await client.lpush(key('runs.default:wait'), id)
      }
      await client.lpush(key('runs.default:wait'), 'no-hash')
      await client.zadd(key('runs.default:marker'), 0, '0')
      const before = good.runs.length
      await expect.poll(() => good.runs.length, PATIENCE).toBeGreaterThan(before + 4)
      await passed(Date.now() + 1_000)
    })
    const days = good.runs.filter(({ slot: at, kind }) => kind !== 'start' && Math.abs(at - Date.now()) > 60_000)
    expect(days).toEqual([])
    expect(await outcomeOf(manager.health())).toMatchObject({ code: 'resolved' })
    expect(await outcomeOf(manager.runs('good'))).toMatchObject({ code: 'resolved' })
    expect(logger.count('not ours')).toBeGreaterThan(0)
    expect(logger.lines.length).toBeLessThan(50)
  })

  it('instances that can not be, or that are from the future, do not count', async (test) => {
    const { expect } = test
    const { key, options } = await ownApplication(test)
    const future = Date.now() + 30 * DAY_MS
    const description = { release: 99, queues: ['default'], startedAt: 1, namesVersion: 1, skewMs: 0 }
    await withClient(options.connection, async (client) => {
      await client.hset(key('instances'), {
        future: `${future} ${JSON.stringify(description)}`,
        nan: `NaN ${JSON.stringify(description)}`,
        text: HUGE,
        empty: '',
        nothing: `${Date.now()} null`,
        queues: `${Date.now()} ${JSON.stringify({ ...description, queues: { length: 1 } })}`,
        ['__proto__']: `${Date.now()} {`,
      })
      await client.hset(key('instances:names'), { future: '["good"', nan: HUGE, text: '{"length":3}' })
      await client.hset(key('cancels'), { 'good.1': HUGE, ['__proto__']: 'x', '': '' })
      const { manager, countEvents } = faultManager(test, options)
      const good = countingWorker('good', every(1_000))
      await manager.add(good.worker)
      await manager.start()
      await expect.poll(() => good.runs.length, PATIENCE).toBeGreaterThan(1)
      const { instances, status } = await manager.health()
      expect({ instances: instances?.length, status }).toEqual({ instances: 1, status: 'ok' })
      expect(countEvents('worker-orphaned')).toBe(0)
    })
  })

  it('records that can not be read are left out', async (test) => {
    const { expect } = test
    const { key, options, manager, logger, good } = await startWithGoodWorker(test)
    await withClient(options.connection, async (client) => {
      for (const [index, value] of HOSTILE.entries()) await client.hset(key('records:good'), `good.h${index}`, value)
      await expect.poll(() => good.runs.length, PATIENCE).toBeGreaterThan(1)
      for (const record of await manager.runs('good')) expect(record).toMatchObject({ worker: 'good' })
    })
    expect(logger.count('can not be read')).toBe(1)
  })

  for (const [name, isFatal] of [
    ['workers', true],
    ['instances', true],
    ['ticks:repeat', true],
    ['meta', true],
    ['records:victim', false],
    ['records:victim:runs', false],
  ] as const) {
    it(`a key of another type in place of ${name} ${isFatal ? 'fails the start, and says so' : 'harms that worker only'}`, async (test) => {
      const { expect } = test
      const { key, options } = await ownApplication(test)
      await withClient(options.connection, (client) => client.set(key(name), 'a string'))
      const { manager, logger } = faultManager(test, { ...options, startTimeoutMs: 30_000 })
      const good = countingWorker('good', every(1_000))
      const victim = countingWorker('victim', every(1_000))
      for (const { worker } of [good, victim]) await manager.add(worker)
      const started = await outcomeOf(manager.start())
      if (isFatal) {
        expect(started).toMatchObject({ code: 'store-unavailable', message: expect.stringContaining('WRONGTYPE') })
        await withClient(options.connection, (client) => client.del(key(name)))
        await manager.start()
        await expect.poll(() => good.runs.length, PATIENCE).toBeGreaterThan(0)
        return
      }
      await expect.poll(() => good.runs.length, PATIENCE).toBeGreaterThan(3)
      expect(await manager.list()).toHaveLength(2)
      expect(await outcomeOf(manager.health())).toMatchObject({ code: 'resolved' })
      expect(logger.lines.some(({ level, data }) => level === 'error' && String(data.err).includes('WRONGTYPE'))).toBe(
        true,
      )
      expect(logger.lines.length).toBeLessThan(50)
      // When it is gone the worker runs again.
      await withClient(options.connection, (client) => client.del(key(name)))
      const before = victim.runs.length
      await expect.poll(() => victim.runs.length, PATIENCE).toBeGreaterThan(before + 1)
    })
  }

  for (const version of ['2', '1000', 'NaN', 'latest']) {
    it(`data of version ${version} is refused at start with a clear error`, async (test) => {
      const { expect } = test
      const { key, options } = await ownApplication(test)
      await withClient(options.connection, (client) => client.hset(key('meta'), 'data-version', version))
      const { manager } = faultManager(test, options)
      await manager.add(countingWorker('good', every(1_000)).worker)
      expect(await outcomeOf(manager.start())).toMatchObject({
        code: 'store-unavailable',
        message: expect.stringMatching(new RegExp(`version ${version}.*Deploy the newer release`)),
      })
      expect(manager.state).toBe('idle')
      await withClient(options.connection, async (client) => {
        const keys = await client.keys(key('*'))
        // BullMQ's Queue says of which version it is.
        expect(keys.filter((name) => name !== key('ticks:meta'))).toEqual([key('meta')])
      })
    })
  }
})

async function writeStrangers(client: Redis, key: (name: string) => string): Promise<void> {
  for (const [index, name] of NAMES.entries()) {
    for (const field of [...FIELDS, 'unknown']) {
      await client.hset(key('workers'), `${field}:${name}`, HOSTILE[index % (HOSTILE.length - 1)] as string)
    }
  }
  await client.hset(key('workers'), {
    ['__proto__']: 'x',
    constructor: 'x',
    '': 'x',
    ':': 'x',
    'definition:huge': HUGE,
  })
}

/** A running manager with one worker, which goes on whatever else there is. */
async function startWithGoodWorker(test: Test) {
  const application = await ownApplication(test)
  const { manager, logger } = faultManager(test, application.options)
  const good = countingWorker('good', every(1_000))
  await manager.add(good.worker)
  await manager.start()
  return { ...application, manager, logger, good }
}
