import { fillPolicy } from '@background-workers/abstractions/for-managers'
import { describe, expect, it, vi } from 'vitest'
import { type Declaration, Store } from '../src/store.ts'
import { lifeOf } from '../src/stored-worker.ts'
import { claimedRun } from './fixtures/claimed-run.ts'
import { TestCluster, listen, rarely } from './fixtures/cluster.ts'
import { Probe } from './fixtures/probe.ts'

function declarationOf(name: string): Declaration {
  const definition = {
    schedule: rarely(),
    policy: fillPolicy({}),
    release: 1,
    declaredAt: 1,
    instanceId: 'me',
    since: 1,
    order: 0,
  }
  return { name, definition, decidedUpTo: 1, dropsOverride: false }
}

describe('an instance that has lost the write lock', () => {
  it('does not take back that a worker was removed since it has read it', async () => {
    await using cluster = await TestCluster.open()
    const probe = new Probe()
    const other = await cluster.start([probe.worker('digest', rarely())])
    const instance = cluster.instance()
    const [dropped, restored] = [listen(instance, 'worker-removed'), listen(instance, 'schedules-repaired')]
    await instance.add(probe.worker('digest', rarely(), { policy: { keepRuns: 7 } }))
    // oxlint-disable-next-line typescript/unbound-method -- it is called with its store
    const { declare } = Store.prototype
    const answers: boolean[] = []
    using _ = vi.spyOn(Store.prototype, 'declare').mockImplementationOnce(async function (this: Store, ...args) {
      // It was cut off for so long that its lock ran out.
      await cluster.redis.del(cluster.key('write-lock'))
      expect(await other.remove('digest')).toBe(true)
      answers.push(await declare.apply(this, args))
      return answers[0] as boolean
    })
    await instance.start()
    expect(answers).toEqual([false])
    expect(await cluster.store().read('digest')).toMatchObject({ removedAt: expect.any(Number) })
    expect([await instance.list(), dropped, restored]).toEqual([[], [{ worker: 'digest' }], []])
    expect(await instance.health()).toMatchObject({ status: 'ok' })
    await instance.add(probe.worker('digest', rarely()))
    expect(await instance.list()).toMatchObject([{ name: 'digest', state: 'idle' }])
  })

  it('writes nothing, whoever has it now', async () => {
    await using cluster = await TestCluster.open()
    const store = cluster.store()
    expect(await store.declare([declarationOf('digest')], 'ours')).toBe(false)
    await cluster.redis.set(cluster.key('write-lock'), 'of another')
    expect(await store.declare([declarationOf('digest')], 'ours')).toBe(false)
    expect(await cluster.storedWorkers()).toEqual({})
  })

  it('leaves a worker alone that has come back, whose marks it has seen ahead, or which it has seen gone', async () => {
    await using cluster = await TestCluster.open()
    const store = cluster.store()
    const lock = cluster.key('write-lock')
    await cluster.redis.set(lock, 'of another')
    expect(await store.declare([declarationOf('digest')], 'of another')).toBe(true)
    const { record, claim } = claimedRun(5)
    await store.decideRun(record, claim)
    const [before, records] = [await cluster.storedWorkers(), await store.records('digest', undefined)]
    const write = [
      () => store.setOrphaned('digest', 2, 'ours'),
      () => store.setMarksBack('digest', 2, 'ours'),
      () => store.delete('digest', 'ours'),
    ]
    for (const late of write) expect(await late()).toBe(false)
    expect(await cluster.storedWorkers()).toEqual(before)
    expect(await store.records('digest', undefined)).toEqual(records)
    await cluster.redis.set(lock, 'ours')
    for (const inTime of write) expect(await inTime()).toBe(true)
    expect(Object.keys(await cluster.storedWorkers())).toEqual(['version'])
    expect(await store.records('digest', undefined)).toEqual([])
  })
})

it('ten thousand workers are declared in one piece, with all that goes back of them', async () => {
  await using cluster = await TestCluster.open()
  const store = cluster.store()
  await cluster.redis.set(cluster.key('write-lock'), 'ours')
  const since = new Date(1)
  const names = Array.from({ length: 10_000 }, (_, index) => `w${index}`)
  const goingBack = { paused: { since, note: 'Größe \\ "ü"' }, override: { schedule: rarely(), since } }
  const back = names.map((name) => ({ ...declarationOf(name), ...goingBack }))
  expect(await store.declare(back, 'ours')).toBe(true)
  const { version, workers } = await store.readAll()
  expect(new Set(workers.keys())).toEqual(new Set(names))
  // It begins with a life.
  expect(Number(version)).toBeGreaterThan(10 ** 13)
  for (const name of ['w0', 'w5000', 'w9999']) {
    expect(workers.get(name)).toMatchObject({ ...goingBack, decidedUpTo: 1, definition: { instanceId: 'me' } })
  }
  expect(await store.setOrphaned('w9999', 2, 'ours')).toBe(true)
  const dropping = names.map((name) => ({ ...declarationOf(name), decidedUpTo: undefined, dropsOverride: true }))
  expect(await store.declare(dropping, 'ours')).toBe(true)
  const after = await store.readAll()
  const fields = new Set(Object.keys(await cluster.storedWorkers()).map((field) => field.split(':')[0]))
  expect(fields).toEqual(new Set(['version', 'definition', 'pause', 'decided']))
  expect(after.version).not.toBe(version)
  expect(lifeOf(after.version)).toBe(lifeOf(version))
})
