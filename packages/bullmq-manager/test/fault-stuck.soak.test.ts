import { every } from '@background-workers/abstractions'
import { describe, it } from 'vitest'
import { PATIENCE, countingWorker, faultManager, outcomeOf, ownApplication } from './fixtures/fault-manager.ts'

describe('a worker that ignores its signal', () => {
  it('has one body at a time, is busy after its timeout, and is stuck after 30 s, until it settles', async (test) => {
    const { expect } = test
    const { options } = await ownApplication(test)
    let bodies = 0
    let most = 0
    let release = Promise.withResolvers<void>()
    const deaf = () =>
      countingWorker(
        'deaf',
        every(1_000),
        async () => {
          most = Math.max(most, ++bodies)
          await release.promise
          bodies--
        },
        { timeoutMs: 300 },
      )
    const one = faultManager(test, options)
    const other = faultManager(test, options)
    const workers = [deaf(), deaf()]
    for (const [index, { manager }] of [one, other].entries()) {
      await manager.add((workers[index] as ReturnType<typeof deaf>).worker)
      await manager.start()
    }
    const states = async () => (await other.manager.get('deaf'))?.state
    await expect
      .poll(
        async () => (await other.manager.runs('deaf')).map(({ outcome, reason }) => `${outcome} ${reason}`),
        PATIENCE,
      )
      .toContain('failed timeout')
    const busy = await outcomeOf(other.manager.trigger('deaf'))
    expect(busy).toMatchObject({ code: 'worker-busy' })
    expect(await states()).toBe('running')
    await expect.poll(states, { ...PATIENCE, timeout: 60_000 }).toBe('stuck')
    expect(await outcomeOf(one.manager.trigger('deaf'))).toMatchObject({ code: 'worker-busy' })
    expect(one.countEvents('worker-stuck') + other.countEvents('worker-stuck')).toBe(1)
    expect([bodies, most]).toEqual([1, 1])

    release.resolve()
    release = Promise.withResolvers<void>()
    release.resolve()
    await expect.poll(states, PATIENCE).not.toBe('stuck')
    await expect
      .poll(() => one.countEvents('worker-recovered') + other.countEvents('worker-recovered'), PATIENCE)
      .toBe(1)
    const before = workers.flatMap(({ runs }) => runs).length
    await expect.poll(() => workers.flatMap(({ runs }) => runs).length, PATIENCE).toBeGreaterThan(before + 1)
    expect(most).toBe(1)
  })

  it('is stuck 30 s after a stop that gave up on it, when the manager works again, until it settles', async (test) => {
    const { expect } = test
    const { options } = await ownApplication(test)
    const end = Promise.withResolvers<void>()
    test.onTestFinished(() => end.resolve())
    const { manager, countEvents } = faultManager(test, options)
    const deaf = countingWorker('deaf', every('1h'), () => end.promise)
    await manager.add(deaf.worker)
    await manager.start()
    await manager.trigger('deaf')
    await expect.poll(() => deaf.runs.length, PATIENCE).toBe(1)
    await manager.stop({ timeoutMs: 100 })
    await manager.start()
    await expect.poll(async () => (await manager.get('deaf'))?.state, PATIENCE).toBe('stuck')
    expect(countEvents('worker-stuck')).toBe(1)
    end.resolve()
    await expect.poll(async () => (await manager.get('deaf'))?.state, PATIENCE).toBe('idle')
    expect([deaf.runs.length, countEvents('worker-recovered')]).toEqual([1, 1])
  })
})
