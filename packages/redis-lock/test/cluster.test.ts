import { every, periodicWorker, systemClock } from '@background-workers/abstractions'
import { DefaultBackgroundWorkerManager } from '@background-workers/default-manager'
import { sharedRedis } from 'test-redis'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { TestLocks, until } from './fixtures/test-locks.ts'

const { url } = await sharedRedis()

describe('default managers whose clocks are seconds apart, with locks on one Redis', () => {
  let locks: TestLocks
  const managers: DefaultBackgroundWorkerManager[] = []
  beforeEach(() => {
    locks = new TestLocks(url)
  })
  afterEach(async () => {
    await Promise.all(managers.splice(0).map((manager) => manager.stop({ timeoutMs: 0 })))
    await locks[Symbol.asyncDispose]()
  })

  it('run each slot once, and one at a time', async () => {
    const slots: number[] = []
    let active = 0
    let mostActive = 0
    for (const errorMs of [0, 1_700, -2_600, 2_000]) {
      const clock = { ...systemClock, now: () => Date.now() + errorMs }
      const manager = new DefaultBackgroundWorkerManager({ clock, distributedLock: locks.create() })
      managers.push(manager)
      await manager.add(
        periodicWorker({
          name: 'tick',
          schedule: every('1s'),
          async doWork({ scheduledFor }) {
            slots.push(scheduledFor.getTime())
            mostActive = Math.max(mostActive, ++active)
            await new Promise((resolve) => setTimeout(resolve, 20))
            active--
          },
        }),
      )
      await manager.start()
    }
    await until(() => slots.length >= 10)
    expect([new Set(slots).size, mostActive]).toEqual([slots.length, 1])
    const records = (await Promise.all(managers.map((manager) => manager.runs('tick')))).flat()
    expect(records.some(({ reason }) => reason === 'held-elsewhere')).toBe(true)
    expect(records.filter(({ outcome }) => outcome === 'aborted' || outcome === 'failed')).toEqual([])
  })
})
